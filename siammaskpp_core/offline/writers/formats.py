"""The formats by name, and where their outputs go.

This module imports no NumPy, so that the help of the commands, which lists the formats, is quick.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from siammaskpp_core.io.outputs import OutputError

if TYPE_CHECKING:
    from siammaskpp_core.offline.writers.base import Recording, Writer


class Format(NamedTuple):
    """A format of outputs.

    Its function, in a module of this package, takes the path and the :class:`Recording`; it returns a context
    manager that gives the writer. It raises OutputError when the place cannot be used.
    """

    module: str
    function: str
    ending: str
    """The default name of the file or folder is that of the recording with this ending."""
    help: str


FORMATS = {
    "video": Format("pictures", "overlay_video", "_tracked.mp4", "video with the results drawn in"),
    "masks": Format(
        *("pictures", "mask_folder", "_masks"),
        "folder of masks FRAME.png, 0 and 255; with several targets a folder for each",
    ),
    "csv": Format("tables", "csv_table", "_tracked.csv", "table of states and boxes"),
    "json": Format("tables", "json_document", "_tracked.json", "states, boxes and masks in one file"),
    "coco": Format("data_sets", "coco", "_coco", "images/, instances.json with RLE masks and track ids"),
    "yolo-seg": Format(
        *("data_sets", "yolo_segmentation", "_yolo"), "images/, labels/ with polygons, data.yaml"
    ),
    "davis": Format(
        *("data_sets", "davis", "_davis"), "JPEGImages/, Annotations/ with palette PNGs, ImageSets/"
    ),
    "mot": Format(
        *("data_sets", "mot", "_mot"), "MOTChallenge: img1/, gt/gt.txt, seqinfo.ini; results in NAME.txt"
    ),
}


BAG = "bag"
"""The format of an output that is a bag, which :mod:`siammaskpp_core.offline.bag` writes."""


class OutputPlan(NamedTuple):
    """An output to write: the name of its format and its path."""

    format: str
    path: Path


@contextmanager
def open_writer(plan: OutputPlan, recording: Recording) -> Iterator[Writer]:
    """Open the writer of an output; the output appears when the context ends without an error."""
    format = FORMATS[plan.format]
    module = import_module(f"siammaskpp_core.offline.writers.{format.module}")
    with getattr(module, format.function)(plan.path, recording) as writer:
        yield writer


@contextmanager
def open_writers(
    plans: Sequence[OutputPlan], recording: Recording, source: Path | None = None
) -> Iterator[list[Writer]]:
    """Open the writers of all outputs.

    Raises :class:`OutputError` when an output cannot be written, would replace the file `source` that is
    read, or has the place of another.
    """
    for number, plan in enumerate(plans):
        if source is not None and plan.path.exists() and source.exists() and plan.path.samefile(source):
            raise OutputError(f"{plan.path}: is the video to be read; choose another output")
        if plan.path in [other.path for other in plans[:number]]:
            raise OutputError(f"{plan.path}: is the place of two outputs; choose another for one of them")
    with ExitStack() as stack:
        yield [stack.enter_context(open_writer(plan, recording)) for plan in plans]


def default_path(folder: Path, name: str, ending: str) -> Path:
    """Return a new path in `folder` for an output: cup_tracked.mp4 of the name cup and ending _tracked.mp4.

    The first free name is taken, cup_tracked_2.mp4 after cup_tracked.mp4, so that nothing is replaced. A
    folder that may not be written to gives way to the working folder.
    """
    folder = folder if os.access(folder, os.W_OK) else Path()
    stem, suffix = os.path.splitext(f"{name}{ending}")
    numbers = itertools.chain([""], (f"_{number}" for number in itertools.count(2)))
    paths = (folder / f"{stem}{number}{suffix}" for number in numbers)
    return next(path for path in paths if not path.exists())
