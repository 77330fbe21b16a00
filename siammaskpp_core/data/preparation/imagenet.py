"""Reader of ImageNet VID and DET, ILSVRC2015 and later, in `Data/SUBSET/train`, `Annotations/SUBSET/train`.

Each picture has one XML file: `PART/VIDEO/%06d.xml` in VID, where an object keeps its `trackid` through the
video, and `PART/*.xml` or `PART/SYNSET/*.xml` in DET. Boxes are whole pixels and include the last one.

The reader leaves out boxes with a side under `MIN_SIDE` pixels and boxes that cover more than `MAX_FRACTION`
of the picture in both directions: without a mask to cut it out, the picture's border would give such an
object away.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from siammaskpp_core.data.preparation.annotations import Part, PreparationError
from siammaskpp_core.data.preparation.index import Instance, Scene

MIN_SIDE = 6
MAX_FRACTION = 0.9


class Job(NamedTuple):
    """The folder `Annotations/folder` below `root` with the names of its XML files.

    With `is_video` the files are the frames of one video, otherwise they are single pictures.
    """

    root: Path
    folder: str
    annotations: list[str]
    is_video: bool


class AnnotatedBox(NamedTuple):
    """One object of an XML file: track (in DET its position in the file), x, y, w, h in pixels, synset."""

    track: int
    box_xywh: tuple[float, ...]
    category: str

    def instance(self, picture: str, time: int, size_hw: tuple[int, int]) -> Instance:
        """Return the object as an instance of the index."""
        return Instance(picture, time, self.box_xywh, size_hw, category=self.category)


def find_jobs(root: Path, subset: str) -> list[Job]:
    """Return the folders with annotations of `subset` (VID or DET) in `root`.

    Raises :class:`PreparationError` for another layout.
    """
    top = root / "Annotations" / subset / "train"
    for needed in (top, root / "Data" / subset / "train"):
        if not needed.is_dir():
            raise PreparationError(
                f"{needed}: missing; ILSVRC's folder has Annotations/{subset}/train and Data/{subset}/train"
            )
    jobs = []
    for folder, _, files in os.walk(top):
        annotations = sorted(name for name in files if name.endswith(".xml") and not name.startswith("."))
        if annotations:
            place = Path(folder).relative_to(root / "Annotations").as_posix()
            jobs.append(Job(root, place, annotations, subset == "VID"))
    return sorted(jobs)


def read_job(job: Job) -> Part:
    """Read the objects of one folder."""
    folder = f"Data/{job.folder}"
    pictures = set(os.listdir(job.root / folder)) if (job.root / folder).is_dir() else set[str]()
    tracks: dict[int, list[Instance]] = defaultdict(list)
    scenes, left_out, broken = [], Counter[str](), list[str]()
    for time, name in enumerate(job.annotations):
        path = job.root / "Annotations" / job.folder / name
        picture = f"{path.stem}.JPEG"
        try:
            if picture not in pictures:
                raise PreparationError(f"its picture {folder}/{picture} is missing")
            size, boxes = _read_xml(path, job.is_video)
        except (PreparationError, OSError) as error:
            broken.append(f"{path}: {error}")
            continue
        kept = [box for box in boxes if not _is_left_out(box.box_xywh, size, left_out)]
        if job.is_video:
            for box in kept:
                tracks[box.track].append(box.instance(picture, time, size))
        else:
            scenes.append(Scene(folder, [[box.instance(picture, 0, size)] for box in kept]))
    if job.is_video:
        scenes = [Scene(folder, [tracks[track] for track in sorted(tracks)])]
    return Part.of(scenes, left_out, broken, len(job.annotations))


def _read_xml(path: Path, with_track: bool) -> tuple[tuple[int, int], list[AnnotatedBox]]:
    """Return height and width of the picture and the boxes in it; raises :class:`PreparationError`."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise PreparationError(f"not valid XML ({error})") from error
    size = (_number(root, "size/height"), _number(root, "size/width"))
    boxes: list[AnnotatedBox] = []
    for item in root.iterfind("object"):
        left, top = _number(item, "bndbox/xmin"), _number(item, "bndbox/ymin")
        right, bottom = _number(item, "bndbox/xmax"), _number(item, "bndbox/ymax")
        track = _number(item, "trackid") if with_track else len(boxes)
        box_xywh = (left, top, right - left + 1, bottom - top + 1)
        boxes.append(AnnotatedBox(track, box_xywh, item.findtext("name", "").strip()))
    return size, boxes


def _number(element: ElementTree.Element, tag: str) -> int:
    text = element.findtext(tag)
    if text is None or not text.strip().lstrip("-").isdecimal():
        raise PreparationError(f"{tag}: a number is expected, not {text!r}")
    return int(text)


def _is_left_out(box_xywh: tuple[float, ...], size_hw: tuple[int, int], left_out: Counter[str]) -> bool:
    width, height = box_xywh[2:]
    if min(width, height) < MIN_SIDE:
        left_out[f"a side under {MIN_SIDE} px"] += 1
        return True
    if width > MAX_FRACTION * size_hw[1] and height > MAX_FRACTION * size_hw[0]:
        left_out[f"over {MAX_FRACTION:.0%} of the picture"] += 1
        return True
    return False
