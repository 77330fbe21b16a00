"""`siammaskpp bench`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from siammaskpp_core.engines import load_tracker
from siammaskpp_core.tracking import Tracker

Image = NDArray[np.uint8]
Box = tuple[float, float, float, float]

WARM_UP_FRAMES = 5
OBJECT_SHARE = 0.15


def run(options: argparse.Namespace) -> None:
    """Time the stages of a step and print them."""
    trackers = {name: load_tracker(options.model, name, options.threads) for name in options.engine}
    times = measure(trackers, options.size, options.targets, options.frames)
    result = {
        "size": list(options.size),
        "targets": options.targets,
        "frames": options.frames,
        "engines": {name: statistics(stages) for name, stages in times.items()},
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "machine": machine(options.engine),
    }
    print(json.dumps(result, indent=2) if options.json else _text(result))


def measure(
    trackers: dict[str, Tracker], size: tuple[int, int], targets: int, frames: int
) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of each frame by tracker and stage; the trackers take turns on each frame.

    The first :data:`WARM_UP_FRAMES` are not counted.
    """
    times: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in trackers}
    scene = moving_objects(size, targets)
    image, boxes = next(scene)
    followed = {name: [tracker.init(image, box) for box in boxes] for name, tracker in trackers.items()}
    for index in tqdm(range(frames + WARM_UP_FRAMES), unit="frame", mininterval=0.5):
        image, _ = next(scene)
        for name, tracker in trackers.items():
            start = time.perf_counter()
            tracker.step(image, followed[name])
            total = (time.perf_counter() - start) * 1e3
            if index >= WARM_UP_FRAMES:
                for stage, milliseconds in {**tracker.timings, "total": total}.items():
                    times[name][stage].append(milliseconds)
    return times


def statistics(stages: dict[str, list[float]]) -> dict[str, Any]:
    """Median and 95th percentile per stage in milliseconds, and steps per second at the median."""
    per_stage = {
        stage: {"median_ms": round(float(np.median(ms)), 2), "p95_ms": round(float(np.percentile(ms, 95)), 2)}
        for stage, ms in stages.items()
    }
    return {"stages": per_stage, "fps": round(1e3 / float(np.median(stages["total"])), 1)}


def moving_objects(size: tuple[int, int], count: int) -> Iterator[tuple[Image, list[Box]]]:
    """An endless video of `count` textured discs on a textured background, and their boxes."""
    width, height = size
    random = np.random.default_rng(0)
    coarse = random.integers(0, 160, (height // 16, width // 16, 3), dtype=np.uint8)
    background = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    radius = max(int(min(size) * OBJECT_SHARE), 4)
    colours = [tuple(int(value) for value in random.integers(90, 256, 3)) for _ in range(count)]
    frame = 0
    while True:
        image: Image = background.copy()
        boxes: list[Box] = []
        for index, colour in enumerate(colours):
            angle = 2 * np.pi * (index / count + frame / 200)
            x = int(width / 2 + np.cos(angle) * (width / 2 - 1.5 * radius))
            y = int(height / 2 + np.sin(angle) * (height / 2 - 1.5 * radius))
            cv2.circle(image, (x, y), radius, colour, -1)
            cv2.circle(image, (x, y), radius // 2, colour[::-1], -1)
            boxes.append((x - radius, y - radius, 2 * radius + 1, 2 * radius + 1))
        yield image, boxes
        frame += 1


def peak_rss_mb() -> float:
    """The largest resident memory of this process so far, in MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory at the time of the fork, too
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def machine(engines: list[str]) -> dict[str, Any]:
    """What a time depends on: processor, cores this process may use, versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ("siammaskpp", "numpy", *engines)
    versions = {name: found for name in packages if (found := _version(name))}
    return {
        "processor": _processor(),
        "cores": cores,
        "system": platform.platform(),
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        **versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _text(result: dict[str, Any]) -> str:
    """A table of median and p95 per stage, engines side by side."""
    engines = result["engines"]
    stages = list(next(iter(engines.values()))["stages"])
    head = f"{'median / p95 ms':16}" + "".join(f"{name:>20}" for name in engines)
    lines = [
        f"{result['size'][0]}x{result['size'][1]}, {result['targets']} targets, {result['frames']} frames",
        head,
    ]
    for stage in stages:
        cells = [values["stages"][stage] for values in engines.values()]
        lines.append(f"{stage:16}" + "".join(f"{c['median_ms']:>12.2f} /{c['p95_ms']:6.2f}" for c in cells))
    lines.append(f"{'fps':16}" + "".join(f"{values['fps']:>20.1f}" for values in engines.values()))
    lines.append(f"peak memory {result['peak_rss_mb']:.0f} MB")
    lines += [f"{key}: {value}" for key, value in result["machine"].items()]
    return "\n".join(lines)
