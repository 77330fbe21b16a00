"""Annotated video sequences, read from folders in the layouts of OTB, VOT, LaSOT and DAVIS.

==========  ============================================================================================
OTB         ``NAME/img/*.jpg`` + ``NAME/groundtruth_rect*.txt``: each line holds x, y, w, h, separated by
            commas, tabs or spaces; NaN or an empty box means that the object is absent. Each ground-truth
            file is one sequence.
VOT         ``NAME/color/*.jpg`` or ``NAME/*.jpg`` + ``NAME/groundtruth.txt``: each line holds x, y, w, h,
            the four corners of a polygon, or a mask (VOT2020: ``m`` x, y, w, h and its run lengths). A
            polygon or mask is read as its axis-aligned bounding box.
LaSOT       ``NAME/img/*.jpg`` + ``NAME/groundtruth.txt``; ``full_occlusion.txt`` and ``out_of_view.txt``, or
            ``absence.label`` as in GOT-10k, mark with 1 the frames in which the object is absent.
DAVIS       ``JPEGImages/RESOLUTION/NAME/*.jpg`` + ``Annotations/RESOLUTION/NAME/*.png``; boxes are the
            axis-aligned bounding boxes of the masks. Each colour, or each number in a grey annotation, is
            one sequence (:mod:`siammaskpp_core.data.masks`).
==========  ============================================================================================

Pictures are read as their files store them, without the EXIF orientation: the published annotations refer to
those pixels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from siammaskpp_core.arrays import BoolArray, Float64Array, Image, Mask
from siammaskpp_core.data.masks import Colour, object_colours, object_mask
from siammaskpp_core.data.masks import DatasetError as DatasetError
from siammaskpp_core.errors import UserError, with_causes
from siammaskpp_core.io.images import MediaError, image_files, read_annotation, read_image, visible_files
from siammaskpp_core.tracking.boxes import mask_bounding_box

SEARCH_DEPTH = 4
# The ground truth of this one OTB sequence begins in mid-video: line 1 belongs to this picture.
OTB_FIRST_PICTURE = {"David": 300}
ABSENT_FILES = ("full_occlusion.txt", "out_of_view.txt", "absence.label")
LAYOUTS = (
    "NAME/img/*.jpg with NAME/groundtruth_rect.txt (OTB), NAME/color/*.jpg with NAME/groundtruth.txt (VOT), "
    "NAME/img/*.jpg with NAME/groundtruth.txt (LaSOT) or JPEGImages/480p/NAME with Annotations/480p/NAME "
    "(DAVIS)"
)


@dataclass(frozen=True)
class VideoSequence:
    """The frames of a video and the ground truth of one object in it.

    Attributes:
        name: unique within one evaluation.
        layout: ``otb``, ``vot``, ``lasot`` or ``davis``.
        frames: N picture files; the object is in the first and in at least one more.
        boxes: x, y, w, h in pixels [N, 4]; NaN where the object is absent.
        annotations: N mask files, or none.
        colour: value or colour of the object in the annotations; None stands for all but black.
    """

    name: str
    layout: str
    frames: tuple[Path, ...]
    boxes: Float64Array
    annotations: tuple[Path, ...] = ()
    colour: Colour | None = None

    def image(self, index: int) -> Image:
        """Return a frame as uint8 [H, W, 3] BGR; :class:`MediaError` when its file cannot be read."""
        return read_image(self.frames[index], as_stored=True)

    def mask(self, index: int) -> Mask:
        """Return the true mask [H, W] of a frame; :class:`MediaError` when its file cannot be read."""
        return object_mask(read_annotation(self.annotations[index]), self.colour)


def find_sequences(folders: Iterable[Path], left_out: list[str] | None = None) -> list[VideoSequence]:
    """Return all sequences in or below `folders`; hidden folders are not searched.

    A folder is a data set, a parent of several data sets, or one sequence. Raises :class:`DatasetError` when
    a folder holds no sequence that can be used. A single sequence that cannot be used raises
    :class:`DatasetError` or :class:`MediaError` as well, unless there is a list `left_out`, which receives
    the message.
    """
    found: dict[tuple[Path, str], VideoSequence] = {}
    for folder in folders:
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder")
        refused: list[UserError] = []
        here = [
            sequence
            for read in _search(folder.resolve(), SEARCH_DEPTH)
            for sequence in _usable(read, refused)
        ]
        if refused and left_out is None:
            raise refused[0]
        messages = list(map(str, refused))
        if not here and refused:
            raise DatasetError(with_causes(f"{folder}: no sequence in it can be used", messages))
        if not here:
            raise DatasetError(f"{folder}: no sequences found; expected {LAYOUTS}")
        found.update({(sequence.frames[0], sequence.name): sequence for sequence in here})
        if left_out is not None:
            left_out += messages
    return _with_unique_names(list(found.values()))


def _usable(
    read: Callable[[list[UserError]], Iterable[VideoSequence]], refused: list[UserError]
) -> Iterator[VideoSequence]:
    """Yield what `read` returns; the error of a whole folder is refused like that of a sequence."""
    try:
        yield from read(refused)
    except (DatasetError, MediaError) as error:
        refused.append(error)


def _with_unique_names(sequences: list[VideoSequence]) -> list[VideoSequence]:
    seen: dict[str, int] = {}
    for index, sequence in enumerate(sequences):
        count = seen[sequence.name] = seen.get(sequence.name, 0) + 1
        if count > 1:
            sequences[index] = replace(sequence, name=f"{sequence.name} ({count})")
    return sequences


def _search(folder: Path, depth: int) -> Iterator[Callable[[list[UserError]], Iterable[VideoSequence]]]:
    """Yield what reads the sequences of `folder` if its layout is known, else those of its subfolders."""
    otb_files = sorted(folder.glob("groundtruth_rect*.txt"))
    if otb_files:
        for file in otb_files:
            yield partial(_otb_sequence, folder, file)
    elif (folder / "groundtruth.txt").is_file():
        yield partial(_vot_sequence, folder)
    elif (folder / "JPEGImages").is_dir() and (folder / "Annotations").is_dir():
        for pictures in _davis_folders(folder / "JPEGImages"):
            yield partial(_davis_sequences, pictures)
    elif "JPEGImages" in folder.parts and image_files(folder):
        yield partial(_davis_sequences, folder)
    elif depth > 0:
        for child in _folders(folder):
            yield from _search(child, depth - 1)


def _folders(folder: Path) -> list[Path]:
    return [path for path in visible_files(folder) if path.is_dir()]


def _otb_sequence(folder: Path, truth_file: Path, _: object) -> list[VideoSequence]:
    boxes = _read_boxes(truth_file, allowed=(4,))
    frames = image_files(folder / "img")
    which = truth_file.stem.removeprefix("groundtruth_rect")
    if len(frames) > len(boxes):
        start = OTB_FIRST_PICTURE.get(folder.name, 1) - 1
        # Several OTB sequences have more pictures after the annotated part, one has them before it.
        frames = frames[start : start + len(boxes)]
    return [_sequence(folder.name + which, "otb", frames, boxes, truth_file)]


def _vot_sequence(folder: Path, _: object) -> list[VideoSequence]:
    truth_file = folder / "groundtruth.txt"
    absent_files = [folder / name for name in ABSENT_FILES if (folder / name).is_file()]
    boxes = _read_boxes(truth_file, allowed=(4, 8))
    for file in absent_files:
        boxes[_read_flags(file, len(boxes))] = np.nan
    frames = image_files(folder / "color") or image_files(folder / "img") or image_files(folder)
    is_lasot = absent_files or (frames and frames[0].parent.name == "img")
    return [_sequence(folder.name, "lasot" if is_lasot else "vot", frames, boxes, truth_file)]


def _davis_folders(pictures: Path) -> Iterator[Path]:
    """Yield the picture folders of the sequences; of several resolutions only 480p, or else the first."""
    children = _folders(pictures)
    flat = [child for child in children if image_files(child)]
    if flat:  # there are no folders for resolutions
        yield from flat
        return
    for resolution in [child for child in children if child.name == "480p"] or children[:1]:
        yield from _folders(resolution)


def _davis_sequences(pictures: Path, refused: list[UserError]) -> Iterator[VideoSequence]:
    frames = image_files(pictures)
    if not frames:
        raise DatasetError(f"{pictures}: there are no pictures in it")
    parts = list(pictures.parts)
    parts[len(parts) - 1 - parts[::-1].index("JPEGImages")] = "Annotations"
    annotations = [Path(*parts) / f"{frame.stem}.png" for frame in frames]
    missing = [path for path in annotations if not path.is_file()]
    if missing:
        raise DatasetError(f"{missing[0]}: missing; {len(missing)} of {len(frames)} annotations do not exist")
    images = [read_annotation(path) for path in annotations]
    try:
        colours = object_colours(images)
    except DatasetError as error:
        raise DatasetError(f"{annotations[0].parent}: {error}") from error
    for number, colour in enumerate(colours, start=1):
        found = [mask_bounding_box(object_mask(image, colour)) for image in images]
        boxes = np.array([np.full(4, np.nan) if box is None else box for box in found])
        name = pictures.name if len(colours) == 1 else f"{pictures.name}.{number}"
        try:
            sequence = _sequence(name, "davis", frames, boxes, annotations[0])
        except DatasetError as error:
            refused.append(error)
            continue
        yield replace(sequence, annotations=tuple(annotations[-len(sequence.frames) :]), colour=colour)


def truth_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a ground-truth file with their numbers, from 1, without those that are empty.

    The values of a line are separated by single commas. A byte order mark and separators at the end of a line
    are removed. Raises :class:`DatasetError` when the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from error
    cleaned = (
        (number, re.sub(r"[,;\s]+", ",", line).strip(",")) for number, line in enumerate(lines, start=1)
    )
    return [(number, line) for number, line in cleaned if line]


def _read_flags(path: Path, count: int) -> BoolArray:
    """Return which of `count` frames a file marks with 1; all flags may stand in one line."""
    flags = ",".join(line for _, line in truth_lines(path)).split(",")
    if len(flags) != count or not set(flags) <= {"0", "1"}:
        raise DatasetError(f"{path}: {count} values 0 or 1 are expected, one for each box")
    return np.array(flags) == "1"


def _read_boxes(path: Path, allowed: tuple[int, ...]) -> Float64Array:
    """Return the boxes [N, 4] of a ground-truth file; an empty box becomes NaN."""
    rows = []
    for number, line in truth_lines(path):
        words = line.split(",")
        if 8 in allowed and words[0].startswith("m"):
            words = _mask_window(words)
        try:
            values = np.array([float(word) for word in words])
        except ValueError:
            values = np.empty(0)
        if len(values) not in allowed:
            wanted = " or ".join(map(str, allowed))
            raise DatasetError(f"{path}, line {number}: {wanted} numbers are expected, not {line[:60]!r}")
        rows.append(values if len(values) == 4 else _polygon_bounding_box(values))
    boxes = np.array(rows, dtype=np.float64).reshape(-1, 4)
    boxes[~((boxes[:, 2] > 0) & (boxes[:, 3] > 0))] = np.nan
    boxes[~np.isfinite(boxes).all(axis=1)] = np.nan
    return boxes


def _mask_window(words: list[str]) -> list[str]:
    """Return x, y, w, h from the line of a mask; a single run means that the mask is empty."""
    return [words[0][1:], *words[1:4]] if len(words) > 5 else ["0"] * 4


def _polygon_bounding_box(corners: Float64Array) -> Float64Array:
    points = corners.reshape(-1, 2)
    return np.concatenate([points.min(axis=0), points.max(axis=0) - points.min(axis=0)])


def _sequence(name: str, layout: str, frames: list[Path], boxes: Float64Array, truth: Path) -> VideoSequence:
    """Build a checked sequence that begins in the first frame with the object."""
    if not frames:
        raise DatasetError(f"{truth.parent}: there are no pictures for {truth.name}")
    if len(frames) != len(boxes):
        raise DatasetError(f"{truth}: {len(boxes)} boxes for {len(frames)} pictures")
    present = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if len(present) < 2:
        raise DatasetError(f"{truth}: the object must be in two frames at least, it is in {len(present)}")
    start = int(present[0])
    return VideoSequence(name, layout, tuple(frames[start:]), boxes[start:])
