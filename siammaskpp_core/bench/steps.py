"""`siammaskpp bench`."""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tqdm import tqdm

from siammaskpp_core.bench.scene import moving_objects
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine
from siammaskpp_core.engines.options import CPU_ENGINES, EngineOptions
from siammaskpp_core.errors import extra
from siammaskpp_core.model.folder import Model, read_model
from siammaskpp_core.tracking import Tracker

PUBLISHED = "published"
WARM_UP_FRAMES = 5


@dataclass(frozen=True)
class Variant:
    """A tracker to be measured, and what is known of its network."""

    model: str
    backbone: str
    engine: str
    precision: str
    tracker: Tracker
    gflop: dict[str, float]
    """By stage, for one target; empty when it was not counted."""
    peak: Any = None
    """What measures the engine's highest rate; None when onnx is not installed."""


def load_variants(options: argparse.Namespace) -> list[Variant]:
    """Every model on every engine, and its published formulation if that is asked for."""
    models = [read_model(folder) for folder in options.model or [DEFAULT_MODEL]]
    published = []
    if options.published:  # first of all: it fails where the weights for torch are missing
        in_float = [model for model in models if model.precision == "fp32"]
        published = [_published(model, options.threads) for model in in_float or models]
    variants = []
    for model in models:
        backbone, operations = model.network.backbone, _gflop(model)
        for named in options.engine:
            chosen = replace(named, threads=options.threads, cpu_affinity=options.cpu_affinity)
            tracker = Tracker(load_engine(model, chosen), model.network, model.tracking)
            is_int8 = model.precision == "int8"
            shown = f"int8, {chosen.precision}" if is_int8 else chosen.precision
            peak = _peak(chosen, is_int8) if operations and chosen.engine in CPU_ENGINES else None
            name = model.folder.name
            variants.append(Variant(name, backbone, chosen.engine, shown, tracker, operations, peak))
    return variants + published


def _published(model: Model, threads: int) -> Variant:
    with extra("train", "for the published formulation"):
        from siammaskpp_core.bench.reference import ReferenceEngine
    tracker = Tracker(ReferenceEngine(model.folder, threads), model.network, model.tracking)
    return Variant(model.folder.name, model.network.backbone, PUBLISHED, "fp32", tracker, {})


def measure(
    cases: Sequence[tuple[Tracker, tuple[int, int], int]], frames: int
) -> list[dict[str, list[float]]]:
    """Milliseconds of each frame by stage, for every tracker, image size and number of targets.

    The cases take turns on each frame. The first :data:`WARM_UP_FRAMES` are not counted.
    """
    times: list[dict[str, list[float]]] = [defaultdict(list) for _ in cases]
    scenes = {key: moving_objects(*key) for key in {(size, targets) for _, size, targets in cases}}
    first = {key: next(scene) for key, scene in scenes.items()}
    followed = [
        [tracker.init(first[size, targets][0], box)[0] for box in first[size, targets][1]]
        for tracker, size, targets in cases
    ]
    for index in tqdm(range(frames + WARM_UP_FRAMES), unit="frame", mininterval=0.5):
        images = {key: next(scene)[0] for key, scene in scenes.items()}
        for (tracker, size, targets), regions, stages in zip(cases, followed, times, strict=True):
            start = time.perf_counter()
            steps = tracker.step(images[size, targets], regions)
            total = (time.perf_counter() - start) * 1e3
            regions[:] = [region for region, _ in steps]
            if index >= WARM_UP_FRAMES:
                for stage, milliseconds in {**tracker.timings, "total": total}.items():
                    stages[stage].append(milliseconds)
    return times


def _gflop(model: Model) -> dict[str, float]:
    """10^9 operations for one target by stage; empty without the package that reads the graphs."""
    try:
        from siammaskpp_core.bench.operations import count_operations
    except ModuleNotFoundError:
        return {}
    stages = [stage for stage in ("search", "refine") if stage in model.graphs]
    return {stage: count_operations(model.graph(stage)) / 1e9 for stage in stages}


def _peak(options: EngineOptions, is_int8: bool) -> Any:
    from siammaskpp_core.bench.operations import Peak

    peak = Peak(options, is_int8)
    peak.measure()
    return peak
