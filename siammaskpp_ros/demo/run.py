"""The demo: camera, tracker and client, each in a process of its own, talking over ROS topics.

python -m siammaskpp_ros.demo.run [--video FILE --box X,Y,W,H] [--output FOLDER]
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from siammaskpp_core.errors import UserError
from siammaskpp_ros.common.processes import installed, start, stop

_NAMESPACE = "/siammaskpp_demo"


def main() -> int:
    """Run the demo; the exit code is 0 only when the target was followed and every process ended well."""
    options = _options()
    try:
        video = options.video or fetch_cup(options.cache)
    except DemoVideoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    # Not to meet a robot's topics on the same network.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    started: list[subprocess.Popen[bytes]] = []
    try:
        # Reliable from the first image on, so that every image that is not tracked was dropped by the
        # node and counted by it.
        tracker = _start(started, "tracker_node", image_reliability="reliable")
        client = _start(started, "demo_client", box=list(options.box), output=str(options.output))
        camera = _start(started, "demo_camera", video=str(video), wait_for_subscribers=2)
        codes = {"client": _wait_for(client, tracker, camera)}
    except KeyboardInterrupt:
        return 130
    finally:
        ended = [stop(child) for child in started]
    codes |= {"tracker": ended[0], "camera": ended[2]}
    failed = {name: code for name, code in codes.items() if code != 0}
    if failed:
        print("demo: failed: " + ", ".join(f"{name} ended with {code}" for name, code in failed.items()))
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Track an object in a video through ROS topics.")
    parser.add_argument("--video", type=Path, help="video file or folder of images (default: a cup)")
    parser.add_argument("--box", type=_box, help="the object in the first image: X,Y,WIDTH,HEIGHT in pixels")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder for the results")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="folder for the downloaded video")
    options = parser.parse_args()
    if options.video and not options.box:
        parser.error("a video of your own needs the object's box in its first image: BOX=x,y,width,height")
    if options.video and not options.video.exists():
        parser.error(f"{options.video}: no such file")
    options.box = options.box or CUP_BOX
    return options


def _box(text: str) -> tuple[float, ...]:
    numbers = tuple(float(part) for part in text.split(","))
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError("four numbers are expected: x,y,width,height")
    return numbers


def _start(
    started: list[subprocess.Popen[bytes]], executable: str, **parameters: object
) -> subprocess.Popen[bytes]:
    started.append(start(installed(executable), _NAMESPACE, **parameters))
    return started[-1]


def _wait_for(client: subprocess.Popen[bytes], *others: subprocess.Popen[bytes]) -> int:
    """The client's exit code; 1 as soon as another process fails."""
    while client.poll() is None:
        if any(other.poll() not in (None, 0) for other in others):
            return 1
        time.sleep(0.1)
    return int(client.returncode)


if __name__ == "__main__":
    sys.exit(main())

# Around the cup in the first image: x, y, width, height in px, found by eye.
CUP_BOX = (306.0, 122.0, 110.0, 262.0)
_PACKAGE, _NAME = "opencv-doc", "cup.mp4"
_OWN_VIDEO = "or use a video of your own: make demo VIDEO=file BOX=x,y,width,height"


class DemoVideoError(UserError):
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
