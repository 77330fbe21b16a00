"""Runtimes that execute the network, chosen by name and imported only when they are asked for."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from siammaskpp_core.engines.options import AUTO, CPU_ENGINES, ENGINES, EngineOptions
from siammaskpp_core.model.folder import Model, read_model
from siammaskpp_core.network.protocol import Engine, EngineError, ModelError, SearchOutput
from siammaskpp_core.tracking.tracker import Tracker

_CLASSES = {
    "onnxruntime": ("onnx_runtime", "OnnxRuntimeEngine"),
    "openvino": ("openvino", "OpenVinoEngine"),
    "tensorrt": ("tensorrt.engine", "TensorRtEngine"),
}
_PREFERENCE = ("tensorrt", "openvino", "onnxruntime")

DEFAULT_MODEL = Path(__file__).parents[1] / "weights" / "lite"
_DEFAULT = EngineOptions()


def load_engine(model: Model, options: EngineOptions = _DEFAULT) -> Engine:
    """An engine with the graphs of `model`, by default ONNX Runtime.

    "auto" is the first that works of tensorrt, openvino and onnxruntime; why the others did not is logged.
    The precision is that of the numbers which the model keeps in float; int8 is a property of the model
    (:mod:`~siammaskpp_core.engines.export.quantise`).

    Raises :class:`EngineError` when the runtime is not installed or cannot do what the options ask,
    :class:`ModelError` when it refuses a graph.
    """
    if options.engine == AUTO:
        return _first_that_works(model, options)
    module, name = _CLASSES[options.engine]
    engine: Engine = getattr(import_module(f"siammaskpp_core.engines.{module}"), name)(model, options)
    return engine


def _first_that_works(model: Model, options: EngineOptions) -> Engine:
    reasons = []
    for name in _PREFERENCE:
        try:
            engine = load_engine(model, replace(options, engine=name))
        except EngineError as error:
            reasons.append(f"{name}: {error}")
            continue
        if reasons:
            logging.getLogger(__name__).warning("engine auto takes %s (%s)", name, "; ".join(reasons))
        return engine
    raise EngineError("engine auto finds none that works: " + "; ".join(reasons))


def load_tracker(
    model_dir: Path | None = None, options: EngineOptions = _DEFAULT, rotated_box: str | None = None
) -> Tracker:
    """A tracker with the model in `model_dir`, by default the network `lite` that comes with the package.

    `rotated_box`, "min_area" or "ellipse", replaces the model's own choice
    (:class:`~siammaskpp_core.tracking.TrackingConfig`). Raises what :func:`load_engine` does.
    """
    model = read_model(model_dir or DEFAULT_MODEL)
    config = replace(model.tracking, rotated_box=rotated_box) if rotated_box else model.tracking
    return Tracker(load_engine(model, options), model.network, config)


__all__ = [
    "AUTO",
    "CPU_ENGINES",
    "DEFAULT_MODEL",
    "ENGINES",
    "Engine",
    "EngineError",
    "EngineOptions",
    "Model",
    "ModelError",
    "SearchOutput",
    "load_engine",
    "load_tracker",
    "read_model",
]
