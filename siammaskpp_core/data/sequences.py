"""Annotated video sequences, read from folders in the layouts of OTB, VOT and DAVIS.

==========  ============================================================================================
OTB         ``NAME/img/*.jpg`` + ``NAME/groundtruth_rect*.txt``: each line holds x, y, w, h, separated by
            commas, tabs or spaces; NaN or an empty box means that the object is absent. Each ground-truth
            file is one sequence.
VOT         ``NAME/color/*.jpg`` or ``NAME/*.jpg`` + ``NAME/groundtruth.txt``: each line holds x, y, w, h,
            the four corners of a polygon, or a mask (VOT2020: ``m`` x, y, w, h and its run lengths). A
            polygon or mask is read as its axis-aligned bounding box.
DAVIS       ``JPEGImages/RESOLUTION/NAME/*.jpg`` + ``Annotations/RESOLUTION/NAME/*.png``; boxes are the
            axis-aligned bounding boxes of the masks. Each colour of the first annotation is one sequence
            (DAVIS 2017); a grey annotation holds one object.
==========  ============================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image, Mask
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.images import image_files, read_annotation, read_image
from siammaskpp_core.tracking.boxes import mask_bounding_box

SEARCH_DEPTH = 4
# The ground truth of this one OTB sequence begins in mid-video: line 1 belongs to this picture.
OTB_FIRST_PICTURE = {"David": 300}
LAYOUTS = (
    "NAME/img/*.jpg with NAME/groundtruth_rect.txt (OTB), NAME/color/*.jpg with NAME/groundtruth.txt (VOT) "
    "or JPEGImages/480p/NAME with Annotations/480p/NAME (DAVIS)"
)


class DatasetError(UserError):
    """A folder of sequences that cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class VideoSequence:
    """The frames of a video and the ground truth of one object in it.

    Attributes:
        name: unique within one evaluation.
        layout: ``otb``, ``vot`` or ``davis``.
        frames: N picture files; the object is in the first and in at least one more.
        boxes: x, y, w, h in pixels [N, 4]; NaN where the object is absent.
        annotations: N mask files, or none.
        colour: BGR colour of the object in the annotations; None stands for every colour but black.
    """

    name: str
    layout: str
    frames: tuple[Path, ...]
    boxes: Float64Array
    annotations: tuple[Path, ...] = ()
    colour: tuple[int, ...] | None = None

    def image(self, index: int) -> Image:
        """Return a frame as uint8 [H, W, 3] BGR; :class:`MediaError` when its file cannot be read."""
        return read_image(self.frames[index])

    def mask(self, index: int) -> Mask:
        """Return the true mask [H, W] of a frame; :class:`MediaError` when its file cannot be read."""
        return _object_mask(read_annotation(self.annotations[index]), self.colour)


def find_sequences(folders: Iterable[Path]) -> list[VideoSequence]:
    """Return all sequences in or below `folders`.

    A folder is a data set, a parent of several data sets, or one sequence. Raises :class:`DatasetError` when
    a folder holds no sequence or a sequence cannot be used, :class:`MediaError` for a damaged annotation.
    """
    found: dict[tuple[Path, str], VideoSequence] = {}
    for folder in folders:
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder")
        here = list(_search(folder.resolve(), SEARCH_DEPTH))
        if not here:
            raise DatasetError(f"{folder}: no sequences found; expected {LAYOUTS}")
        found.update({(sequence.frames[0], sequence.name): sequence for sequence in here})
    return _with_unique_names(list(found.values()))


def _with_unique_names(sequences: list[VideoSequence]) -> list[VideoSequence]:
    seen: dict[str, int] = {}
    for index, sequence in enumerate(sequences):
        count = seen[sequence.name] = seen.get(sequence.name, 0) + 1
        if count > 1:
            sequences[index] = replace(sequence, name=f"{sequence.name} ({count})")
    return sequences


def _search(folder: Path, depth: int) -> Iterator[VideoSequence]:
    """Yield the sequences of `folder` if its layout is known, else those of its subfolders."""
    otb_files = sorted(folder.glob("groundtruth_rect*.txt"))
    if otb_files:
        for file in otb_files:
            yield _otb_sequence(folder, file)
    elif (folder / "groundtruth.txt").is_file():
        yield _vot_sequence(folder)
    elif (folder / "JPEGImages").is_dir() and (folder / "Annotations").is_dir():
        for pictures in _davis_folders(folder / "JPEGImages"):
            yield from _davis_sequences(pictures)
    elif "JPEGImages" in folder.parts and image_files(folder):
        yield from _davis_sequences(folder)
    elif depth > 0:
        for child in sorted(path for path in folder.iterdir() if path.is_dir()):
            yield from _search(child, depth - 1)


def _otb_sequence(folder: Path, truth_file: Path) -> VideoSequence:
    boxes = _read_boxes(truth_file, allowed=(4,))
    frames = image_files(folder / "img")
    which = truth_file.stem.removeprefix("groundtruth_rect")
    if len(frames) > len(boxes):
        start = OTB_FIRST_PICTURE.get(folder.name, 1) - 1
        # Several OTB sequences have more pictures after the annotated part, one has them before it.
        frames = frames[start : start + len(boxes)]
    return _sequence(folder.name + which, "otb", frames, boxes, truth_file)


def _vot_sequence(folder: Path) -> VideoSequence:
    truth_file = folder / "groundtruth.txt"
    frames = image_files(folder / "color") or image_files(folder)
    return _sequence(folder.name, "vot", frames, _read_boxes(truth_file, allowed=(4, 8)), truth_file)


def _davis_folders(pictures: Path) -> Iterator[Path]:
    """Yield the picture folders of the sequences; of several resolutions only 480p, or else the first."""
    children = sorted(path for path in pictures.iterdir() if path.is_dir())
    flat = [child for child in children if image_files(child)]
    if flat:  # there are no folders for resolutions
        yield from flat
        return
    for resolution in [child for child in children if child.name == "480p"] or children[:1]:
        yield from (child for child in sorted(resolution.iterdir()) if child.is_dir())


def _davis_sequences(pictures: Path) -> Iterator[VideoSequence]:
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
    colours = _object_colours(images[0])
    for number, colour in enumerate(colours, start=1):
        found = [mask_bounding_box(_object_mask(image, colour)) for image in images]
        boxes = np.array([np.full(4, np.nan) if box is None else box for box in found])
        name = pictures.name if len(colours) == 1 else f"{pictures.name}.{number}"
        sequence = _sequence(name, "davis", frames, boxes, annotations[0])
        yield replace(sequence, annotations=tuple(annotations[-len(sequence.frames) :]), colour=colour)


def _object_colours(annotation: Image) -> list[tuple[int, ...] | None]:
    """Return the colours of the objects; [None] for a grey annotation or a single colour."""
    if annotation.ndim == 2:
        return [None]
    colours = np.unique(annotation.reshape(-1, annotation.shape[2]), axis=0)
    objects = [tuple(int(value) for value in colour) for colour in colours if colour.any()]
    return list(objects) if len(objects) > 1 else [None]


def _object_mask(annotation: Image, colour: tuple[int, ...] | None) -> Mask:
    if colour is not None:
        return cv2.inRange(annotation, colour, colour)  # type: ignore[no-any-return]
    grey = annotation if annotation.ndim == 2 else annotation.max(axis=2)
    return np.where(grey > 0, 255, 0).astype(np.uint8)


def _read_boxes(path: Path, allowed: tuple[int, ...]) -> Float64Array:
    """Return the boxes [N, 4] of a ground-truth file; an empty box becomes NaN."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        words = re.split(r"[,;\s]+", line.strip())
        if 8 in allowed and words[0].startswith("m"):
            words = _mask_window(words)
        try:
            values = np.array([float(word) for word in words])
        except ValueError:
            values = np.empty(0)
        if len(values) not in allowed:
            wanted = " or ".join(map(str, allowed))
            raise DatasetError(
                f"{path}, line {number}: {wanted} numbers are expected, not {line.strip()[:60]!r}"
            )
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
