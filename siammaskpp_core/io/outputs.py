"""siammaskpp_core.io.outputs."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType

from siammaskpp_core.errors import UserError


class OutputError(UserError):
    """A file or folder that cannot be written; the message names the place, the cause and a remedy."""


class Output:
    """A file or folder that appears under its name only if the ``with`` block ends without an error.

    `work` is where to write meanwhile. Raises :class:`OutputError` when the place is not usable.
    """

    def __init__(self, path: Path, is_folder: bool = False) -> None:
        self.path = path
        self.work = path.with_name(f".{path.stem}.part{path.suffix}")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")
        if is_folder and path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise OutputError(f"{path}: exists and is not an empty folder; choose another or remove it")
        if not is_folder and path.is_dir():
            raise OutputError(f"{path}: is a folder; give a file's name")
        self._remove()
        if is_folder:
            self.work.mkdir()

    def _remove(self) -> None:
        if self.work.is_dir():
            shutil.rmtree(self.work)
        else:
            self.work.unlink(missing_ok=True)

    def __enter__(self) -> Path:
        return self.work

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.work.exists():
            self.work.replace(self.path)
        else:
            self._remove()
