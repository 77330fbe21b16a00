"""Open an engine or a tracker; a runtime is imported only when it is chosen."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from siammaskpp_core.engines.options import AUTO, CPU, GPU, EngineOptions
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

    With engine "auto" it is the first of tensorrt, openvino and onnxruntime that works, with device "auto"
    the first that works on a GPU, else on the CPU; a warning says why the others did not. Whether a model is
    int8 is a property of the model, not of the engine (:mod:`~siammaskpp_core.engines.export.quantise`).

    Raises :class:`EngineError` when the runtime is not installed or does not support the options, and
    :class:`~siammaskpp_core.model.folder.ModelError` when it refuses a graph.
    """
    return _first_that_works(model, options)[0]


def with_real_engine(model: Model, options: EngineOptions) -> EngineOptions:
    """The options with the engine and device that "auto" chooses; raises what :func:`load_engine` does."""
    return _first_that_works(model, options)[1] if AUTO in (options.engine, options.device) else options


def _first_that_works(model: Model, options: EngineOptions) -> tuple[Engine, EngineOptions]:
    """The first engine of :func:`_candidates` that can be opened; logs why the ones before could not."""
    candidates = _candidates(options)
    if len(candidates) == 1:
        return _open(model, candidates[0]), candidates[0]
    asked = " and ".join(f"{name} auto" for name in ("engine", "device") if getattr(options, name) == AUTO)
    reasons = []
    for candidate in candidates:
        try:
            engine = _open(model, candidate)
        except EngineError as error:
            reasons.append(f"{_described(candidate)}: {error}")
            continue
        if reasons:
            logging.getLogger(__name__).warning("%s: %s is used (%s)", asked, engine.name, "; ".join(reasons))
        return engine, candidate
    raise EngineError(f"{asked}: no engine works: " + "; ".join(reasons))


def _candidates(options: EngineOptions) -> list[EngineOptions]:
    """The options without "auto" that are to be tried, the preferred ones first."""
    engines = _PREFERENCE if options.engine == AUTO else (options.engine,)
    if engines == ("tensorrt",):
        return [options]
    devices = (GPU, CPU) if options.device == AUTO else (options.device,)
    pairs = [(engine, device) for device in devices for engine in engines if engine != "tensorrt"]
    first = [("tensorrt", devices[0])] if "tensorrt" in engines else []
    return [replace(options, engine=engine, device=device) for engine, device in first + pairs]


def _described(options: EngineOptions) -> str:
    """The engine, with its device unless it is the only one that it has or the CPU."""
    is_plain = options.engine == "tensorrt" or options.device == CPU
    return options.engine if is_plain else f"{options.engine} on {options.device}"


def _open(model: Model, options: EngineOptions) -> Engine:
    module, name = _CLASSES[options.engine]
    engine: Engine = getattr(import_module(f"siammaskpp_core.engines.{module}"), name)(model, options)
    return engine


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
