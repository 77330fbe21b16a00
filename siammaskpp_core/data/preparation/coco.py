"""Reader of COCO 2017: `train2017/*.jpg` and `annotations/instances_train2017.json`.

It leaves out crowds (many objects in one mask), boxes with a side under `MIN_SIDE` pixels, and objects
without a mask.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from siammaskpp_core.data.preparation.annotations import Part, PreparationError, coco_masks
from siammaskpp_core.data.preparation.index import Instance, ObjectIndex, Scene
from siammaskpp_core.errors import with_causes
from siammaskpp_core.io.images import stored_size

MIN_SIDE = 20
PICTURES_PER_JOB = 500

Entry = dict[str, Any]


class Job(NamedTuple):
    """Pictures in `root / folder`: the JSON entry of each picture with the entries of its annotations."""

    root: Path
    folder: str
    pictures: list[tuple[Entry, list[Entry]]]


def find_jobs(root: Path) -> list[Job]:
    """Divide the annotated pictures of COCO in `root`; :class:`PreparationError` for another layout."""
    return list(_jobs(root, "train2017", root / "annotations" / "instances_train2017.json"))


def read_small_coco(root: Path) -> Part | None:
    """Return the objects of `images/` and `instances.json`, a selection that is read at every start.

    Returns None when there is no `instances.json`. Raises :class:`PreparationError` when no object of it can
    be used.
    """
    if not (root / "instances.json").is_file():
        return None
    parts = [read_job(job) for job in _jobs(root, "images", root / "instances.json")]
    left_out = sum((part.left_out for part in parts), Counter[str]())
    broken = [text for part in parts for text in part.broken]
    usable = [part.objects for part in parts if len(part.objects.time)]
    if not usable:
        causes = [*broken, *(f"{count} left out ({reason})" for reason, count in left_out.items())]
        raise PreparationError(with_causes(f"{root / 'instances.json'}: no object can be used", causes))
    return Part(ObjectIndex.joined(usable), left_out, broken, sum(part.checked for part in parts))


def read_job(job: Job) -> Part:
    """Read the objects in the pictures of `job`."""
    scenes, left_out, broken = [], Counter[str](), list[str]()
    for picture, entries in job.pictures:
        path = job.root / job.folder / picture["file_name"]
        try:
            stored = stored_size(path)
            size = (int(picture.get("height", stored[0])), int(picture.get("width", stored[1])))
            if stored != size:
                raise PreparationError(f"the annotations are for a picture of {size[1]}x{size[0]} pixels")
            instances = [_instance(picture["file_name"], size, entry, left_out) for entry in entries]
            scenes.append(Scene(job.folder, [[instance] for instance in instances if instance]))
        except (PreparationError, OSError, KeyError, TypeError, ValueError) as error:
            broken.append(f"{path}: {error!r}" if isinstance(error, KeyError) else f"{path}: {error}")
    return Part.of(scenes, left_out, broken, len(job.pictures))


def _jobs(root: Path, folder: str, file: Path) -> Iterator[Job]:
    for place in (root / folder, file):
        if not place.exists():
            raise PreparationError(f"{place}: missing; COCO's folder has train2017/ and annotations/")
    try:
        content = json.loads(file.read_bytes())
        annotations = defaultdict(list)
        for annotation in content["annotations"]:
            annotations[annotation["image_id"]].append(annotation)
        pictures = [(entry, annotations[entry["id"]]) for entry in content["images"]]
    except (ValueError, KeyError, TypeError) as error:
        raise PreparationError(f"{file}: not a COCO file of instances ({error!r})") from error
    annotated = [(picture, own) for picture, own in pictures if own]
    for start in range(0, len(annotated), PICTURES_PER_JOB):
        yield Job(root, folder, annotated[start : start + PICTURES_PER_JOB])


def _instance(
    name: str, size_hw: tuple[int, int], annotation: Entry, left_out: Counter[str]
) -> Instance | None:
    if annotation.get("iscrowd"):
        left_out["crowd"] += 1
        return None
    if min(annotation["bbox"][2:]) < MIN_SIDE:
        left_out[f"a side under {MIN_SIDE} px"] += 1
        return None
    coded = _encode(annotation.get("segmentation") or [], *size_hw)
    if coded is None or not coco_masks().area(coded):
        left_out["empty mask"] += 1
        return None
    box = tuple(map(float, coco_masks().toBbox(coded)))
    return Instance(name, 0, box, size_hw, coded["counts"], str(annotation.get("category_id", "")))


def _encode(segmentation: Any, height: int, width: int) -> Any:
    """Return the compressed RLE of polygons or of an RLE; None when no polygon has three corners."""
    if isinstance(segmentation, dict):
        if isinstance(segmentation["counts"], list):
            return coco_masks().frPyObjects(segmentation, height, width)
        return {"size": [height, width], "counts": segmentation["counts"].encode("ascii")}
    # Fewer than three corners have no area, and pycocotools takes two corners for a box.
    polygons = [polygon for polygon in segmentation if len(polygon) >= 6]
    return coco_masks().merge(coco_masks().frPyObjects(polygons, height, width)) if polygons else None
