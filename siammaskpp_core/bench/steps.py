"""Time of the stages of a tracking step, for all models, engines, image sizes and numbers of targets."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from siammaskpp_core.bench.machine import machine, peak_rss_mb
from siammaskpp_core.bench.report import relate, statistics
from siammaskpp_core.bench.scene import moving_objects
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine
from siammaskpp_core.engines.options import CPU, CPU_ENGINES, EngineOptions
from siammaskpp_core.errors import extra
from siammaskpp_core.io.stamps import FRAME_INTERVAL_NS
from siammaskpp_core.model.folder import Model, read_model
from siammaskpp_core.tracking import LongTermConfig, LongTermTracker, Tracker
from siammaskpp_core.tracking.tracker import NETWORK_STAGES

if TYPE_CHECKING:
    from siammaskpp_core.bench.operations import PeakRate

REFERENCE = "reference"
"""Name of the reference implementation in the column of engines."""
WARM_UP_FRAMES = 5
ONE_REGION = LongTermConfig(search_regions_per_image=1)
"""A target that a network does not find costs as much as one that it finds."""


@dataclass(frozen=True)
class Variant:
    """One model on one engine, and what is known of its network."""

    model: str
    backbone: str
    engine: str
    precision: str
    tracker: LongTermTracker
    gflop: dict[str, float]
    """10^9 operations for one target, by stage; empty when they were not counted."""
    peak: PeakRate | None = None
    """The measurement of the engine's peak rate; None when onnx is not installed."""


def benchmark(
    model_folders: Sequence[Path],
    engines: Sequence[EngineOptions],
    sizes: Sequence[tuple[int, int]],
    target_counts: Sequence[int],
    frames: int,
    with_reference: bool = False,
) -> dict[str, Any]:
    """Time every model on every engine; returns the result of `siammaskpp bench` as a dictionary for JSON.

    Each variant is timed for every image size (width, height) and every number of targets. Without model
    folders the model of the package is used. `with_reference` adds the reference implementation, which needs
    the extra [train].
    """
    models = [read_model(folder) for folder in model_folders or [DEFAULT_MODEL]]
    variants = load_variants(models, engines, with_reference)
    cases = list(product(variants, sizes, target_counts))
    times = measure([(variant.tracker, size, count) for variant, size, count in cases], frames)
    rows = [_row(*case, stages) for case, stages in zip(cases, times, strict=True)]
    relate(rows, REFERENCE)
    packages = {"torch" if v.engine == REFERENCE else v.engine.partition(" ")[0] for v in variants}
    return {
        "frames": frames,
        "steps": rows,
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "machine": machine(packages),
    }


def load_variants(
    models: Sequence[Model], engines: Sequence[EngineOptions], with_reference: bool
) -> list[Variant]:
    """Load every model on every engine, followed by the reference implementations if they are asked for."""
    reference = []
    if with_reference:  # this comes first, as it fails where the weights for torch are missing
        in_float = [model for model in models if model.precision == "fp32"]
        reference = [_reference(model, engines[0].threads) for model in in_float or models]
    variants = []
    for model in models:
        gflop = _gflop(model)
        is_int8 = model.precision == "int8"
        for options in engines:
            engine = load_engine(model, options)
            tracker = Tracker(engine, model.network, model.tracking)
            precision = f"int8, {options.precision}" if is_int8 else options.precision
            has_peak = gflop and engine.name in CPU_ENGINES  # "auto" may have chosen it
            peak = _peak(replace(options, engine=engine.name, device=CPU), is_int8) if has_peak else None
            name, backbone = model.folder.name, model.network.backbone
            variants.append(
                Variant(name, backbone, engine.name, precision, LongTermTracker(tracker), gflop, peak)
            )
    return variants + reference


def measure(
    cases: Sequence[tuple[LongTermTracker, tuple[int, int], int]], frames: int
) -> list[dict[str, list[float]]]:
    """Return the milliseconds of each frame by stage, for each (tracker, image size, number of targets).

    The cases take turns on each frame, so that all of them see the same load of the machine. The first
    :data:`WARM_UP_FRAMES` are not counted.
    """
    times: list[dict[str, list[float]]] = [defaultdict(list) for _ in cases]
    scenes = {key: moving_objects(*key) for key in {(size, count) for _, size, count in cases}}
    first = {key: next(scene) for key, scene in scenes.items()}
    targets = [
        [tracker.init(first[size, count][0], box)[0] for box in first[size, count][1]]
        for tracker, size, count in cases
    ]
    for index in tqdm(range(frames + WARM_UP_FRAMES), unit="frame", mininterval=0.5):
        images = {key: next(scene)[0] for key, scene in scenes.items()}
        for (tracker, size, count), tracked, stages in zip(cases, targets, times, strict=True):
            start = time.perf_counter()
            tracker.step(images[size, count], tracked, index * FRAME_INTERVAL_NS, ONE_REGION)
            total = (time.perf_counter() - start) * 1e3
            if index >= WARM_UP_FRAMES:
                for stage, milliseconds in {**tracker.timings, "total": total}.items():
                    stages[stage].append(milliseconds)
    return times


def _reference(model: Model, threads: int) -> Variant:
    with extra("train", "for the reference implementation"):
        from siammaskpp_core.bench.reference import ReferenceEngine
    tracker = Tracker(ReferenceEngine(model.folder, threads), model.network, model.tracking)
    return Variant(model.folder.name, model.network.backbone, REFERENCE, "fp32", LongTermTracker(tracker), {})


def _row(
    variant: Variant, size: tuple[int, int], targets: int, stages: dict[str, list[float]]
) -> dict[str, Any]:
    """Return the row of one case, which other rows do not influence yet."""
    row = {
        "model": variant.model,
        "backbone": variant.backbone,
        "engine": variant.engine,
        "precision": variant.precision,
        "size": list(size),
        "targets": targets,
        **statistics(stages),
    }
    if variant.gflop:
        row["gflop"] = {stage: value * targets for stage, value in variant.gflop.items()}
    if variant.peak:
        row["peak_gflops"] = variant.peak.measure() / 1e9
    return row


def _gflop(model: Model) -> dict[str, float]:
    """Return 10^9 operations for one target by stage; empty without the package that reads the graphs."""
    try:
        from siammaskpp_core.bench.operations import count_operations
    except ModuleNotFoundError:
        return {}
    stages = [stage for stage in NETWORK_STAGES if stage in model.graphs]
    return {stage: count_operations(model.graph(stage)) / 1e9 for stage in stages}


def _peak(options: EngineOptions, is_int8: bool) -> PeakRate:
    from siammaskpp_core.bench.operations import PeakRate

    peak = PeakRate(options, is_int8)
    peak.measure()
    return peak
