"""Reader of YouTube-VOS 2018 and 2019: `meta.json`, `JPEGImages/VIDEO/*.jpg`, `Annotations/VIDEO/*.png`.

All of them are in `train/`. An annotation is a palette PNG whose values are the numbers of the objects;
`meta.json` says in which frames each object is annotated. Masks of up to `MIN_PIXELS` are left out, as in
SiamMask.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from siammaskpp_core.arrays import Image
from siammaskpp_core.data.preparation.annotations import (
    Part,
    PreparationError,
    encode_mask,
)
from siammaskpp_core.data.preparation.index import Instance, Scene
from siammaskpp_core.io.images import open_as_stored, stored_size, visible_files

MIN_PIXELS = 1000


class Job(NamedTuple):
    """A video below `root`; `frames` and `categories` have the numbers of the objects as keys."""

    root: Path
    video: str
    frames: dict[int, list[str]]
    categories: dict[int, str]


def find_jobs(root: Path) -> list[Job]:
    """Return the videos of YouTube-VOS in `root`; raises :class:`PreparationError` for another layout."""
    meta = root / "train" / "meta.json"
    if not meta.is_file():
        raise PreparationError(f"{meta}: missing; YouTube-VOS's folder has train/meta.json")
    try:
        videos = json.loads(meta.read_bytes())["videos"]
        return [
            Job(
                root,
                video,
                {int(number): entry["frames"] for number, entry in content["objects"].items()},
                {int(number): entry.get("category", "") for number, entry in content["objects"].items()},
            )
            for video, content in sorted(videos.items())
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PreparationError(f"{meta}: not the description of YouTube-VOS ({error!r})") from error


def read_job(job: Job) -> Part:
    """Read the objects of one video."""
    folder = f"train/JPEGImages/{job.video}"
    annotations = job.root / "train" / "Annotations" / job.video
    pictures = [path.stem for path in visible_files(job.root / folder) if path.suffix == ".jpg"]
    times = {picture: time for time, picture in enumerate(pictures)}
    objects: dict[int, list[Instance]] = defaultdict(list)
    left_out, broken = Counter[str](), list[str]()
    frames = sorted(set().union(*job.frames.values()))
    for frame in frames:
        path = annotations / f"{frame}.png"
        try:
            if frame not in times:
                raise PreparationError(f"its picture {folder}/{frame}.jpg is missing")
            numbers = _read_annotation(path)
            if stored_size(job.root / folder / f"{frame}.jpg") != numbers.shape:
                raise PreparationError(f"its picture {folder}/{frame}.jpg has another size")
        except (PreparationError, OSError, ValueError) as error:
            broken.append(f"{path}: {error}")
            continue
        for number in (number for number, present in job.frames.items() if frame in present):
            mask = numbers == number
            if np.count_nonzero(mask) <= MIN_PIXELS:
                left_out[f"up to {MIN_PIXELS} pixels"] += 1
                continue
            coded, box = encode_mask(mask)
            instance = Instance(
                f"{frame}.jpg",
                times[frame],
                box,
                (mask.shape[0], mask.shape[1]),
                coded,
                job.categories[number],
            )
            objects[number].append(instance)
    return Part.of([Scene(folder, list(objects.values()))], left_out, broken, len(frames))


def _read_annotation(path: Path) -> Image:
    """Return the numbers of the objects [H, W]; OpenCV would replace them by the palette's colours."""
    with open_as_stored(path) as annotation:
        if annotation.mode not in ("P", "L"):
            raise PreparationError(f"a palette PNG is expected, not one of mode {annotation.mode}")
        return np.asarray(annotation)
