"""Sequences with a truth, read from folders laid out like OTB, VOT or DAVIS.

==========  ============================================================================================
OTB         ``NAME/img/*.jpg`` + ``NAME/groundtruth_rect*.txt``: x, y, w, h a line, separated by commas,
            tabs or spaces; NaN or an empty box where the object is absent. One sequence per truth file.
VOT         ``NAME/color/*.jpg`` or ``NAME/*.jpg`` + ``NAME/groundtruth.txt``: x, y, w, h or the four
            corners of a polygon a line, or a mask (VOT2020: ``m`` x, y, w, h and the lengths of its runs);
            of polygons and masks the upright hull counts.
DAVIS       ``JPEGImages/RESOLUTION/NAME/*.jpg`` + ``Annotations/RESOLUTION/NAME/*.png``; boxes are the
            hulls of the masks. One sequence per colour of the first annotation (DAVIS 2017); a grey
            annotation has one object.
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
from siammaskpp_core.io.images import image_files, read_annotation
from siammaskpp_core.tracking.boxes import mask_bounding_box

SEARCH_DEPTH = 4
# The one sequence of OTB whose truth begins in mid-video: line 1 belongs to this picture.
OTB_FIRST_PICTURE = {"David": 300}
LAYOUTS = (
    "NAME/img/*.jpg with NAME/groundtruth_rect.txt (OTB), NAME/color/*.jpg with NAME/groundtruth.txt (VOT) "
    "or JPEGImages/480p/NAME with Annotations/480p/NAME (DAVIS)"
)


class DatasetError(UserError):
    """A folder of sequences that cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class Sequence:
    """Frames and the truth about one object.

    Attributes:
        name: unique within one evaluation.
        layout: ``otb``, ``vot`` or ``davis``.
        frames: picture files, N of them; the object is in the first and at least one more.
        boxes: x, y, w, h in pixels [N, 4]; NaN where the object is absent.
        annotations: mask files, N of them, or none at all.
        colour: the object's colour (BGR) in the annotations; None: everything that is not black.
    """

    name: str
    layout: str
    frames: tuple[Path, ...]
    boxes: Float64Array
    annotations: tuple[Path, ...] = ()
    colour: tuple[int, ...] | None = None

    def mask(self, index: int) -> Mask:
        """The true mask [H, W], 0 or 255, of a frame; :class:`DatasetError` when it cannot be read."""
        return _object_mask(read_annotation(self.annotations[index]), self.colour)


def find_sequences(folders: Iterable[Path]) -> list[Sequence]:
    """All sequences in or below `folders`, each a data set, a parent of several, or one sequence.

    Raises :class:`DatasetError` when a folder has none, or when one found cannot be used.
    """
    found: dict[tuple[Path, str], Sequence] = {}
    for folder in folders:
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder")
        here = list(_search(folder.resolve(), SEARCH_DEPTH))
        if not here:
            raise DatasetError(f"{folder}: no sequences found; expected {LAYOUTS}")
        found.update({(sequence.frames[0], sequence.name): sequence for sequence in here})
    return _with_unique_names(list(found.values()))


def _with_unique_names(sequences: list[Sequence]) -> list[Sequence]:
    seen: dict[str, int] = {}
    for index, sequence in enumerate(sequences):
        count = seen[sequence.name] = seen.get(sequence.name, 0) + 1
        if count > 1:
            sequences[index] = replace(sequence, name=f"{sequence.name} ({count})")
    return sequences


def _search(folder: Path, depth: int) -> Iterator[Sequence]:
    """The sequences of `folder` if its layout is known, else those of its subfolders."""
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


def _otb_sequence(folder: Path, truth_file: Path) -> Sequence:
    boxes = _read_boxes(truth_file, allowed=(4,))
    frames = image_files(folder / "img")
    which = truth_file.stem.removeprefix("groundtruth_rect")
    if len(frames) > len(boxes):
        start = OTB_FIRST_PICTURE.get(folder.name, 1) - 1
        # Several sequences of OTB have pictures after (or, for one, before) the part with a truth.
        frames = frames[start : start + len(boxes)]
    return _sequence(folder.name + which, "otb", frames, boxes, truth_file)


def _vot_sequence(folder: Path) -> Sequence:
    truth_file = folder / "groundtruth.txt"
    frames = image_files(folder / "color") or image_files(folder)
    return _sequence(folder.name, "vot", frames, _read_boxes(truth_file, allowed=(4, 8)), truth_file)


def _davis_folders(pictures: Path) -> Iterator[Path]:
    """The sequences' picture folders; of several resolutions 480p, or else the first."""
    children = sorted(path for path in pictures.iterdir() if path.is_dir())
    flat = [child for child in children if image_files(child)]
    if flat:  # no folders of resolutions
        yield from flat
        return
    for resolution in [child for child in children if child.name == "480p"] or children[:1]:
        yield from (child for child in sorted(resolution.iterdir()) if child.is_dir())


def _davis_sequences(pictures: Path) -> Iterator[Sequence]:
    frames = image_files(pictures)
    if not frames:
        raise DatasetError(f"{pictures}: no pictures in it")
    parts = list(pictures.parts)
    parts[len(parts) - 1 - parts[::-1].index("JPEGImages")] = "Annotations"
    annotations = [Path(*parts) / f"{frame.stem}.png" for frame in frames]
    missing = [path for path in annotations if not path.is_file()]
    if missing:
        raise DatasetError(
            f"{missing[0]}: missing; {len(missing)} of {len(frames)} annotations are not there"
        )
    images = [read_annotation(path) for path in annotations]
    colours = _object_colours(images[0])
    for number, colour in enumerate(colours, start=1):
        hulls = [mask_bounding_box(_object_mask(image, colour)) for image in images]
        boxes = np.array([np.full(4, np.nan) if hull is None else hull for hull in hulls])
        name = pictures.name if len(colours) == 1 else f"{pictures.name}.{number}"
        sequence = _sequence(name, "davis", frames, boxes, annotations[0])
        yield replace(sequence, annotations=tuple(annotations[-len(sequence.frames) :]), colour=colour)


def _object_colours(annotation: Image) -> list[tuple[int, ...] | None]:
    """The colours of the objects; [None] for a grey annotation or a single colour."""
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
    """The boxes [N, 4] of a truth file; polygons become their upright hulls, empty boxes NaN."""
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
        rows.append(values if len(values) == 4 else _polygon_hull(values))
    boxes = np.array(rows, dtype=np.float64).reshape(-1, 4)
    boxes[~((boxes[:, 2] > 0) & (boxes[:, 3] > 0))] = np.nan
    boxes[~np.isfinite(boxes).all(axis=1)] = np.nan
    return boxes


def _mask_window(words: list[str]) -> list[str]:
    """x, y, w, h of a mask's line; one run alone means that nothing is in the window."""
    return [words[0][1:], *words[1:4]] if len(words) > 5 else ["0"] * 4


def _polygon_hull(corners: Float64Array) -> Float64Array:
    points = corners.reshape(-1, 2)
    return np.concatenate([points.min(axis=0), points.max(axis=0) - points.min(axis=0)])


def _sequence(name: str, layout: str, frames: list[Path], boxes: Float64Array, truth: Path) -> Sequence:
    """Checked, and begun where the object is first present."""
    if not frames:
        raise DatasetError(f"{truth.parent}: no pictures for {truth.name}")
    if len(frames) != len(boxes):
        raise DatasetError(f"{truth}: {len(boxes)} boxes for {len(frames)} pictures")
    present = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if len(present) < 2:
        raise DatasetError(f"{truth}: the object must be in two frames at least, it is in {len(present)}")
    start = int(present[0])
    return Sequence(name, layout, tuple(frames[start:]), boxes[start:])
