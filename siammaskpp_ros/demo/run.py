"""The demo: camera, tracker and client, each in its own process, connected by ROS topics.

python -m siammaskpp_ros.demo.run [--video FILE --box X,Y,W,H] [--rate HZ] [--output FOLDER]
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

from siammaskpp_core.arguments import box, with_negative_values
from siammaskpp_core.errors import UserError
from siammaskpp_ros.common.processes import installed, start, stop
from siammaskpp_ros.common.signals import END_SIGNALS

_NAMESPACE = "/siammaskpp_demo"
_VIDEO_PACKAGE, _VIDEO_NAME = "opencv-doc", "cup.mp4"
_CUP_BOX = [306.0, 122.0, 110.0, 262.0]
"""Box of the cup in the first image, drawn by hand: x, y, width, height in px."""
_OWN_VIDEO = "or use a video of your own: make demo VIDEO=file BOX=x,y,width,height"


class DemoVideoError(UserError):
    """The video of the demo is not available; the message says what to do."""


def main() -> int:
    """Run the demo; return 0 only when the target was tracked to the end and every process ended well."""
    END_SIGNALS.catch()
    options = _options()
    try:
        video = options.video or fetch_cup(options.cache)
    except DemoVideoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    # Keep the demo's topics apart from those of a robot on the same network.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    started: list[subprocess.Popen[bytes]] = []
    try:
        # Reliable: the node receives every image, so it counts each one that it does not track as dropped.
        tracker = _start(started, "tracker_node", image_reliability="reliable")
        client = _start(started, "demo_client", box=options.box, output=str(options.output))
        camera = _start(started, "demo_camera", video=str(video), rate=options.rate, wait_for_subscribers=2)
        codes = {"client": _wait_for(client, tracker, camera)}
    except KeyboardInterrupt:
        return 130
    finally:
        exit_codes = [stop(child) for child in started]
    codes |= {"tracker": exit_codes[0], "camera": exit_codes[2]}
    failed = {name: code for name, code in codes.items() if code != 0}
    if failed:
        print("demo: failed: " + ", ".join(f"{name} ended with {code}" for name, code in failed.items()))
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Track an object in a video through ROS topics.")
    parser.add_argument("--video", type=Path, help="video file or folder of images (default: a cup)")
    parser.add_argument("--box", type=box, help="box of the object in the first image: X,Y,W,H in px")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="images per second (default: the rate of the video)"
    )
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder for the results")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="folder for the downloaded video")
    options = parser.parse_args(with_negative_values(sys.argv[1:]))
    if options.video and not options.box:
        parser.error("a video of your own needs the object's box in its first image: BOX=x,y,width,height")
    if options.video and not options.video.exists():
        parser.error(f"{options.video}: no such file")
    options.box = options.box or _CUP_BOX
    return options


def _start(
    started: list[subprocess.Popen[bytes]], executable: str, **parameters: object
) -> subprocess.Popen[bytes]:
    started.append(start(installed(executable), _NAMESPACE, **parameters))
    return started[-1]


def _wait_for(client: subprocess.Popen[bytes], *others: subprocess.Popen[bytes]) -> int:
    """Return the exit code of `client`, or 1 as soon as another process fails."""
    while client.poll() is None:
        if any(other.poll() not in (None, 0) for other in others):
            return 1
        time.sleep(0.1)
    return int(client.returncode)


# The video --------------------------------------------------------------------------------------------


def fetch_cup(folder: Path) -> Path:
    """Return the path of cup.mp4 in `folder`; apt-get downloads it the first time (96 MB).

    Nothing is installed. Root rights are needed only when apt's package lists are missing. Raises
    :class:`DemoVideoError` when the video cannot be downloaded.
    """
    target = folder / _VIDEO_NAME
    if target.is_file():
        return target
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise DemoVideoError(
                f"{_VIDEO_NAME} cannot be downloaded without {tool}; run on Debian or Ubuntu, {_OWN_VIDEO}"
            )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        _extract(_download(Path(work)), Path(work), target)
    return target


def _download(work: Path) -> Path:
    """Return the path of the downloaded Debian package in `work`."""
    print(f"downloading {_VIDEO_NAME} from the package {_VIDEO_PACKAGE}", flush=True)
    download = ["apt-get", "download", "-qq", _VIDEO_PACKAGE]
    if _error_of(download, work) is not None:
        _error_of(["apt-get", "update", "-qq"], work)  # a fresh machine has no package lists
        error = _error_of(download, work)
        if error is not None:
            raise DemoVideoError(
                f"{_VIDEO_PACKAGE} cannot be downloaded: {error}\n"
                f"run apt-get update as root and try again, {_OWN_VIDEO}"
            )
    return next(work.glob("*.deb"))


def _extract(package: Path, work: Path, target: Path) -> None:
    error = _error_of(["dpkg", "-x", package.name, "files"], work)
    found = sorted((work / "files").rglob(f"{_VIDEO_NAME}*")) if error is None else []
    if not found:
        reason = error or "the package has other contents"
        raise DemoVideoError(f"{package.name} has no {_VIDEO_NAME} ({reason}); {_OWN_VIDEO}")
    content = found[0].read_bytes()
    part = work / _VIDEO_NAME
    part.write_bytes(gzip.decompress(content) if found[0].suffix == ".gz" else content)
    part.replace(target)


def _error_of(command: list[str], folder: Path) -> str | None:
    """Run `command` in `folder`; return None when it succeeds, else the end of its error output."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if result.returncode == 0:
        return None
    return (result.stderr.strip() or f"exit code {result.returncode}")[-500:]


if __name__ == "__main__":
    sys.exit(main())
