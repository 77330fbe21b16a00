"""The writers for the eye: a video with the results drawn in, and a folder of masks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from siammaskpp_core.arrays import Image
from siammaskpp_core.io.drawing import DrawnTarget, draw_targets
from siammaskpp_core.io.images import write_image
from siammaskpp_core.io.outputs import Output, OutputError
from siammaskpp_core.io.video import CODECS, VideoWriter
from siammaskpp_core.offline.results import FrameResult
from siammaskpp_core.offline.writers.base import Recording, Writer, file_name, mask_of


@contextmanager
def overlay_video(path: Path, recording: Recording) -> Iterator[Writer]:
    """A video with the results drawn over the frames (:func:`draw`)."""
    if path.suffix.lower() not in CODECS:
        raise OutputError(
            f"{path}: videos are written as {', '.join(sorted(CODECS))}; --format chooses another output"
        )
    with ExitStack() as stack:
        work = stack.enter_context(Output(path))
        video: VideoWriter | None = None

        def write(result: FrameResult) -> None:
            nonlocal video
            if video is None:
                height, width = result.image.shape[:2]
                video = stack.enter_context(VideoWriter(work, (width, height), recording.fps, path))
            video.write(draw(result))

        yield write


@contextmanager
def mask_folder(path: Path, recording: Recording) -> Iterator[Writer]:
    """A folder of masks, FRAME.png with the values 0 and 255; with several targets a folder for each id.

    The masks of a frame in which a target is not seen are 0.
    """
    with Output(path, is_folder=True) as work:
        names: dict[str, str] = {}  # of the folders, by id

        def write(result: FrameResult) -> None:
            for target in result:
                if target.id not in names:
                    names[target.id] = _new_name(target.id, names.values())
                    if len(names) == 2:
                        _move_into(work, next(iter(names.values())))
                mask = mask_of(target, "masks")
                if mask is None:
                    mask = np.zeros(result.image.shape[:2], np.uint8)
                folder = work / names[target.id] if len(names) > 1 else work
                folder.mkdir(exist_ok=True)
                write_image(folder / f"{result.frame.name}.png", mask)

        yield write


def _new_name(id: str, taken: Collection[str]) -> str:
    """Return the name of a folder for an id, which is not `taken`."""
    name = file_name(id)
    while name in taken:
        name += "_"
    return name


def _move_into(folder: Path, name: str) -> None:
    """Move the files of `folder` to the folder `name` in it."""
    files = [path for path in folder.iterdir() if path.is_file()]
    (folder / name).mkdir()
    for file in files:
        file.rename(folder / name / file.name)


def draw(result: FrameResult) -> Image:
    """Return the image of a frame with mask, rotated box, name, state and confidence of every target.

    A target that is not seen is named in the upper left corner.
    """
    targets = [
        DrawnTarget(target.title, str(target.state), target.found if target.is_seen else None, target.index)
        for target in result
    ]
    return draw_targets(result.image, targets)
