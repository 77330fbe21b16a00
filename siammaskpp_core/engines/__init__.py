"""Runtimes that execute the network, chosen by name and imported only when they are asked for."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from siammaskpp_core.engines.graphs import GraphEngine, Model, read_model
from siammaskpp_core.engines.protocol import Engine, EngineError, ModelError, SearchOutput
from siammaskpp_core.tracking.tracker import Tracker

ENGINES = {
    "onnxruntime": "OnnxRuntimeEngine",
    "openvino": "OpenVinoEngine",
}
"""Engine names (also the modules here that hold them) and their classes."""

DEFAULT_MODEL = Path(__file__).parents[1] / "weights" / "lite"


def load_engine(model: Model, name: str = "onnxruntime", threads: int = 0) -> GraphEngine:
    """The engine `name` with the graphs of `model`.

    Raises :class:`EngineError` when the name is unknown or its runtime is not installed,
    :class:`ModelError` when the runtime refuses a graph.
    """
    if name not in ENGINES:
        raise EngineError(f"engine {name!r} is unknown; choose one of {', '.join(ENGINES)}")
    engine: GraphEngine = getattr(import_module(f"{__name__}.{name}"), ENGINES[name])(model, threads)
    return engine


def load_tracker(
    model_dir: Path | None = None,
    engine: str = "onnxruntime",
    threads: int = 0,
    rotated_box: str | None = None,
) -> Tracker:
    """A tracker with the model in `model_dir`, by default the network `lite` that comes with the package.

    `rotated_box`, "min_area" or "ellipse", replaces the model's own choice
    (:class:`~siammaskpp_core.tracking.TrackingConfig`).
    """
    model = read_model(model_dir or DEFAULT_MODEL)
    config = replace(model.tracking, rotated_box=rotated_box) if rotated_box else model.tracking
    return Tracker(load_engine(model, engine, threads), model.network, config)


__all__ = [
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
