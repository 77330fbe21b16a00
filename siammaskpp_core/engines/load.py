"""Open an engine or a tracker; a runtime is imported only when it is chosen."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from siammaskpp_core.engines.options import AUTO, EngineOptions
from siammaskpp_core.model.folder import Model, read_model
from siammaskpp_core.network.protocol import Engine, EngineError
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
    """An engine that runs the graphs of `model`, by default with ONNX Runtime.

    With "auto" it is the first of tensorrt, openvino and onnxruntime that works; a warning says why the
    others did not. Whether a model is int8 is a property of the model, not of the engine
    (:mod:`~siammaskpp_core.engines.export.quantise`).

    Raises :class:`EngineError` when the runtime is not installed or does not support the options, and
    :class:`~siammaskpp_core.model.folder.ModelError` when it refuses a graph.
    """
    if options.engine == AUTO:
        return _first_that_works(model, options)
    module, name = _CLASSES[options.engine]
    engine: Engine = getattr(import_module(f"siammaskpp_core.engines.{module}"), name)(model, options)
    return engine


def with_real_engine(model: Model, options: EngineOptions) -> EngineOptions:
    """The options with the name of the engine that "auto" chooses; raises what :func:`load_engine` does."""
    return replace(options, engine=load_engine(model, options).name) if options.engine == AUTO else options


def _first_that_works(model: Model, options: EngineOptions) -> Engine:
    """The first engine of :data:`_PREFERENCE` that can be opened; logs why the ones before could not."""
    reasons = []
    for name in _PREFERENCE:
        try:
            engine = load_engine(model, replace(options, engine=name))
        except EngineError as error:
            reasons.append(f"{name}: {error}")
            continue
        if reasons:
            logging.getLogger(__name__).warning("engine auto uses %s (%s)", name, "; ".join(reasons))
        return engine
    raise EngineError("engine auto: no engine works: " + "; ".join(reasons))


def load_tracker(
    model_dir: str | os.PathLike[str] | None = None,
    options: EngineOptions = _DEFAULT,
    rotated_box: str | None = None,
) -> Tracker:
    """A tracker with the model in `model_dir`, by default the network `lite` that comes with the package.

    `rotated_box` ("min_area" or "ellipse") replaces the model's own choice of
    :class:`~siammaskpp_core.tracking.config.TrackingConfig`. Raises :class:`ConfigError` for another value
    and what :func:`load_engine` and :func:`read_model` raise.
    """
    model = read_model(Path(model_dir or DEFAULT_MODEL))
    config = replace(model.tracking, rotated_box=rotated_box) if rotated_box else model.tracking
    return Tracker(load_engine(model, options), model.network, config)
