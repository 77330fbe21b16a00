"""Files of the package that are not Python: interfaces, configurations and weights, wherever they lie."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator
from pathlib import Path

NETWORKS, ABLATIONS = "config/networks", "config/ablations"
"""Folders of configurations."""
WEIGHTS = Path(__file__).parents[1] / "weights"
"""Folder of the model folders in the package."""


def package_file(name: str) -> Path | None:
    """Return the path of an installed file, such as ``msg/Box.msg``; None when it is not installed.

    It lies in the repository, in a colcon workspace (``share/siammaskpp``), or where pip puts data.
    """
    return next((path for folder in _folders() if (path := folder / name).is_file()), None)


def configuration(given: Path, folder: str) -> Path:
    """Return the file of a configuration: the path itself, or that of the package with this name or path.

    With the folder :data:`NETWORKS`, ``lite``, ``lite.yaml`` and ``config/networks/lite.yaml`` all name the
    configuration of the default network. A path that is found nowhere is returned unchanged, for the error of
    whoever reads it.
    """
    if given.is_file():
        return given
    is_name = given.parent == Path()
    return package_file(f"{folder}/{given.with_suffix('.yaml')}" if is_name else given.as_posix()) or given


def weights(given: Path) -> Path:
    """Return the path of trained weights: the path itself, or those of the package's model of this name."""
    named = WEIGHTS / given / "weights.pt"
    is_named = not given.exists() and given.parent == Path() and named.is_file()
    return named if is_named else given


def _folders() -> Iterator[Path]:
    yield Path(__file__).parents[2]
    prefixes = filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    for prefix in (*prefixes, sys.prefix, site.getuserbase()):
        yield Path(prefix) / "share" / "siammaskpp"
