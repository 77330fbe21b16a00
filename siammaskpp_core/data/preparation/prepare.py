"""Preparation of a data set: every annotation is read and checked once and stored in one index file."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from siammaskpp_core.data.preparation import coco, imagenet, youtube_vos
from siammaskpp_core.data.preparation.annotations import Part, PreparationError
from siammaskpp_core.data.preparation.index import ObjectIndex, index_path
from siammaskpp_core.errors import listed
from siammaskpp_core.outcome import ignore_interrupts

# A few broken files do not matter to training; many of them mean that a download is incomplete.
MAX_BROKEN_FRACTION = 0.01


class Reader(NamedTuple):
    """The two steps of a reader: `find_jobs` divides a data set, `read_job` reads a part in any process."""

    find_jobs: Callable[[Path], list[Any]]
    read_job: Callable[[Any], Part]


READERS = {
    "coco": Reader(coco.find_jobs, coco.read_job),
    "youtube_vos": Reader(youtube_vos.find_jobs, youtube_vos.read_job),
    "imagenet_vid": Reader(partial(imagenet.find_jobs, subset="VID"), imagenet.read_job),
    "imagenet_det": Reader(partial(imagenet.find_jobs, subset="DET"), imagenet.read_job),
}


class PreparationReport(NamedTuple):
    """The result of a preparation: `objects` were written to `path`; for the rest see :class:`Part`."""

    path: Path
    objects: ObjectIndex
    left_out: Counter[str]
    broken: list[str]


def prepare(
    kind: str, folder: Path, output: Path | None = None, workers: int | None = None
) -> PreparationReport:
    """Write the index of the data set in `folder` to the folder `output` (default: `folder`).

    `workers` processes read the annotations (default: one per processor). The index appears only when it is
    complete. Raises :class:`PreparationError` when the folder has not the layout of `kind`, holds no usable
    object, or when more than :data:`MAX_BROKEN_FRACTION` of its pictures cannot be used.
    """
    if kind not in READERS:
        raise PreparationError(f"{kind!r}: not a data set that is prepared; known are {', '.join(READERS)}")
    place = output or folder
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise PreparationError(f"{place}: not a folder that can be written to; give another with --output")
    reader = READERS[kind]
    print(f"{kind}: looking through {folder}")
    jobs = reader.find_jobs(folder)
    with _mapper(min(workers or _processors(), len(jobs))) as run:
        parts = list(tqdm(run(reader.read_job, jobs), total=len(jobs), desc=kind, unit="part"))
    left_out = sum((part.left_out for part in parts), Counter[str]())
    broken = [text for part in parts for text in part.broken]
    checked = sum(part.checked for part in parts)
    if len(broken) > MAX_BROKEN_FRACTION * checked:
        raise PreparationError(
            f"{folder}: {len(broken)} of {checked} pictures cannot be used; is the data set complete?\n"
            + listed(broken)
        )
    parts = [part for part in parts if len(part.objects.time)]
    if not parts:
        raise PreparationError(f"{folder}: no usable object of {kind} in it")
    index = ObjectIndex.joined([part.objects for part in parts])
    path = index_path(kind, place)
    index.save(path, str(folder.resolve()) if output else ".")
    return PreparationReport(path, index, left_out, broken)


def summary(report: PreparationReport) -> str:
    """Return the report as text, without the broken files."""
    index = report.objects
    lines = [
        f"{len(index.folder)} pictures or videos, {len(index.category)} objects, {len(index.time)} boxes, "
        f"{len(index.rle_length.nonzero()[0])} masks",
        *(f"left out: {count} ({reason})" for reason, count in report.left_out.most_common()),
        f"{report.path} ({report.path.stat().st_size / 1e6:.1f} MB)",
    ]
    return "\n".join(lines)


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[[Callable[[Any], Part], list[Any]], Iterable[Part]]]:
    """Yield a `map` that runs in `workers` processes, or in this process when one is enough."""
    if workers <= 1:
        yield map
        return
    # A forked process would inherit the locks of OpenCV's and torch's threads, but not the threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, ignore_interrupts) as pool:
        yield pool.map


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
