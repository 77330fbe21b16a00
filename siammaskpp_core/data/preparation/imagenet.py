"""ImageNet VID and DET, ILSVRC2015 and later: `Data/VID/train`, `Annotations/VID/train`; DET alike.

An annotation is one XML file a picture: `PART/VIDEO/%06d.xml` of VID, where an object keeps its `trackid`
through the video; `PART/*.xml` or `PART/SYNSET/*.xml` of DET. Boxes are whole pixels, the last one included.

Left out are boxes under `MIN_SIDE` pixels and boxes over `MAX_SHARE` of the picture in both directions:
without a mask such an object could be found by its picture's border alone.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from siammaskpp_core.data.preparation.annotations import Part, PreparationError
from siammaskpp_core.data.preparation.index import Scene, View

MIN_SIDE = 6
MAX_SHARE = 0.9


class Job(NamedTuple):
    """A folder of annotations, `Annotations/folder` below `root`, with the names of its XML files.

    With `is_video` they are the frames of one video, else single pictures.
    """

    root: Path
    folder: str
    annotations: list[str]
    is_video: bool


class Box(NamedTuple):
    """A box of an annotation, x, y, w, h in pixels, its track (else its position) and its synset."""

    track: int
    box_xywh: tuple[float, ...]
    category: str

    def view(self, picture: str, time: int, size_hw: tuple[int, int]) -> View:
        """The object in one picture."""
        return View(picture, time, self.box_xywh, size_hw, category=self.category)


def find_jobs(root: Path, subset: str) -> list[Job]:
    """The folders with annotations of `subset` (VID or DET) in `root`.

    Raises :class:`PreparationError` when it is not laid out so.
    """
    top = root / "Annotations" / subset / "train"
    for needed in (top, root / "Data" / subset / "train"):
        if not needed.is_dir():
            raise PreparationError(
                f"{needed}: missing; ILSVRC's folder has Annotations/{subset}/train and Data/{subset}/train"
            )
    jobs = []
    for folder, _, files in os.walk(top):
        annotations = sorted(name for name in files if name.endswith(".xml"))
        if annotations:
            place = Path(folder).relative_to(root / "Annotations").as_posix()
            jobs.append(Job(root, place, annotations, subset == "VID"))
    return sorted(jobs)


def read_job(job: Job) -> Part:
    """The objects of one folder."""
    folder = f"Data/{job.folder}"
    pictures = set(os.listdir(job.root / folder)) if (job.root / folder).is_dir() else set[str]()
    tracks: dict[int, list[View]] = defaultdict(list)
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
                tracks[box.track].append(box.view(picture, time, size))
        else:
            scenes.append(Scene(folder, [[box.view(picture, 0, size)] for box in kept]))
    if job.is_video:
        scenes = [Scene(folder, [tracks[track] for track in sorted(tracks)])]
    return Part.of(scenes, left_out, broken, len(job.annotations))


def _read_xml(path: Path, with_track: bool) -> tuple[tuple[int, int], list[Box]]:
    """Height and width of the picture and the boxes in it; raises :class:`PreparationError`."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise PreparationError(f"not valid XML ({error})") from error
    size = (_number(root, "size/height"), _number(root, "size/width"))
    boxes: list[Box] = []
    for item in root.iterfind("object"):
        left, top = _number(item, "bndbox/xmin"), _number(item, "bndbox/ymin")
        right, bottom = _number(item, "bndbox/xmax"), _number(item, "bndbox/ymax")
        track = _number(item, "trackid") if with_track else len(boxes)
        box_xywh = (left, top, right - left + 1, bottom - top + 1)
        boxes.append(Box(track, box_xywh, item.findtext("name", "").strip()))
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
    if width > MAX_SHARE * size_hw[1] and height > MAX_SHARE * size_hw[0]:
        left_out[f"over {MAX_SHARE:.0%} of the picture"] += 1
        return True
    return False
