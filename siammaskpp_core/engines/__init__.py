"""Runtimes that execute the network, chosen by name and imported only when they are asked for."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal, TypeAlias, overload

from siammaskpp_core.engines.graphs import GraphEngine, Model, read_model
from siammaskpp_core.engines.protocol import Engine, EngineError, ModelError, SearchOutput
from siammaskpp_core.tracking.tracker import Tracker

ENGINES = {
    "onnxruntime": "OnnxRuntimeEngine",
    "openvino": "OpenVinoEngine",
    "tensorrt": "TensorRtEngine",
}
"""Engine names (also the modules here that hold them) and their classes."""

CpuEngine: TypeAlias = Literal["onnxruntime", "openvino"]
CPU_ENGINES: tuple[CpuEngine, ...] = ("onnxruntime", "openvino")
"""Those that compute the model folder's graphs as they are: all but tensorrt."""

AUTO = "auto"
_PREFERENCE = ("tensorrt", "openvino", "onnxruntime")

DEFAULT_MODEL = Path(__file__).parents[1] / "weights" / "lite"


@overload
def load_engine(
    model: Model,
    name: CpuEngine = "onnxruntime",
    threads: int = 0,
    precision: str = "fp32",
    pinned: bool = False,
) -> GraphEngine: ...


@overload
def load_engine(
    model: Model, name: str, threads: int = 0, precision: str = "fp32", pinned: bool = False
) -> Engine: ...


def load_engine(
    model: Model,
    name: str = "onnxruntime",
    threads: int = 0,
    precision: str = "fp32",
    pinned: bool = False,
) -> Engine:
    """The engine `name` with the graphs of `model`.

    "auto" is the first that works of tensorrt, openvino and onnxruntime; why the others did not is logged.

    `precision` is that of the numbers which the model keeps in float: fp32, and bf16 with OpenVINO. int8
    is a property of the model (:mod:`~siammaskpp_core.engines.quantise`). `pinned` keeps each of the
    engine's threads on one processor.

    Raises :class:`EngineError` when the name is unknown or its runtime is not installed,
    :class:`ModelError` when the runtime refuses a graph.
    """
    if name == AUTO:
        return _first_that_works(model, threads, precision, pinned)
    if name not in ENGINES:
        raise EngineError(f"engine {name!r} is unknown; choose one of {', '.join((*ENGINES, AUTO))}")
    engine: Engine = getattr(import_module(f"{__name__}.{name}"), ENGINES[name])(
        model, threads, precision, pinned
    )
    return engine


def _first_that_works(model: Model, threads: int, precision: str, pinned: bool) -> Engine:
    reasons = []
    for name in _PREFERENCE:
        try:
            engine = load_engine(model, name, threads, precision, pinned)
        except EngineError as error:
            reasons.append(f"{name}: {error}")
            continue
        if reasons:
            logging.getLogger(__name__).warning("engine auto takes %s (%s)", name, "; ".join(reasons))
        return engine
    raise EngineError("engine auto finds none that works: " + "; ".join(reasons))


def load_tracker(
    model_dir: Path | None = None,
    engine: str = "onnxruntime",
    threads: int = 0,
    rotated_box: str | None = None,
    precision: str = "fp32",
    pinned: bool = False,
) -> Tracker:
    """A tracker with the model in `model_dir`, by default the network `lite` that comes with the package.

    `rotated_box`, "min_area" or "ellipse", replaces the model's own choice
    (:class:`~siammaskpp_core.tracking.TrackingConfig`). The others are those of :func:`load_engine`.
    """
    model = read_model(model_dir or DEFAULT_MODEL)
    config = replace(model.tracking, rotated_box=rotated_box) if rotated_box else model.tracking
    return Tracker(load_engine(model, engine, threads, precision, pinned), model.network, config)


__all__ = [
    "AUTO",
    "CPU_ENGINES",
    "DEFAULT_MODEL",
    "ENGINES",
    "Engine",
    "EngineError",
    "Model",
    "ModelError",
    "SearchOutput",
    "load_engine",
    "load_tracker",
    "read_model",
]
