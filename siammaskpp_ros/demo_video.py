"""The video of the demo: a hand that turns a cup, from Debian's and Ubuntu's package opencv-doc."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tempfile
from pathlib import Path

# Around the cup in the first image: x, y, width, height in px, found by eye.
CUP_BOX = (306.0, 122.0, 110.0, 262.0)
_PACKAGE, _NAME = "opencv-doc", "cup.mp4"
_OWN_VIDEO = "or use a video of your own: make demo VIDEO=file BOX=x,y,width,height"


class DemoVideoError(RuntimeError):
    """The video cannot be had; the text says what to do."""


def fetch_cup(folder: Path) -> Path:
    """The path of cup.mp4 in `folder`, downloaded by apt-get the first time (96 MB).

    Nothing is installed and no root rights are needed unless apt's package lists are missing.
    """
    target = folder / _NAME
    if target.is_file():
        return target
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise DemoVideoError(
                f"{tool} is not here to fetch {_NAME}; run on Debian or Ubuntu, {_OWN_VIDEO}"
            )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        _extract(_download(Path(work)), Path(work), target)
    return target


def _download(work: Path) -> Path:
    print(f"fetching {_NAME} from the package {_PACKAGE}", flush=True)
    download = ["apt-get", "download", "-qq", _PACKAGE]
    if _run(download, work) is not None:
        _run(["apt-get", "update", "-qq"], work)  # fresh machines have no package lists
        error = _run(download, work)
        if error is not None:
            raise DemoVideoError(
                f"{_PACKAGE} cannot be downloaded: {error}\n"
                f"run apt-get update as root and try again, {_OWN_VIDEO}"
            )
    return next(work.glob("*.deb"))


def _extract(package: Path, work: Path, target: Path) -> None:
    error = _run(["dpkg", "-x", package.name, "files"], work)
    found = sorted((work / "files").rglob(f"{_NAME}*")) if error is None else []
    if not found:
        raise DemoVideoError(f"no {_NAME} in {package.name} ({error or 'other contents'}); {_OWN_VIDEO}")
    content = found[0].read_bytes()
    part = work / _NAME
    part.write_bytes(gzip.decompress(content) if found[0].suffix == ".gz" else content)
    part.replace(target)


def _run(command: list[str], folder: Path) -> str | None:
    """None when `command` succeeded, else the end of what it said."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if result.returncode == 0:
        return None
    return (result.stderr.strip() or f"exit code {result.returncode}")[-500:]
