"""Building of TensorRT engines from the ONNX graphs of a model folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from siammaskpp_core.engines.tensorrt import cache
from siammaskpp_core.engines.tensorrt.check import expected_outputs
from siammaskpp_core.engines.tensorrt.engine import TensorRtEngine
from siammaskpp_core.engines.tensorrt.graphs import prepared_graphs
from siammaskpp_core.engines.tensorrt.library import LOG, flags, sides, trt
from siammaskpp_core.model.folder import Model
from siammaskpp_core.network.protocol import EngineError


def build_model(
    model: Model,
    key: cache.Key,
    folder: Path,
    precision: str,
    max_targets: int,
    workspace_mb: int | None = None,
) -> dict[str, float]:
    """Build and check the engines of `model`, and store them in `folder`.

    Engines that are in `folder` are replaced only when the new ones have passed the check. Returns the
    relative difference of each output to ONNX Runtime. Raises :class:`EngineError` with TensorRT's reason.
    """
    graphs = prepared_graphs(model, precision, max_targets)
    folder.parent.mkdir(parents=True, exist_ok=True)
    engines = build(graphs, precision, max_targets, workspace_mb, folder.parent / "timing.cache")
    expected = expected_outputs(model, max_targets)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        new = Path(work) / folder.name
        new.mkdir()
        cache.write(cache.Built(precision, max_targets, engines, expected), key, new)
        differences = check_model(model, cache.read(new, key))
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    return differences


def check_model(model: Model, built: cache.Built) -> dict[str, float]:
    """Run the engines that were built; returns the relative difference of each output to ONNX Runtime."""
    return TensorRtEngine(model, built=built).differences


def build(
    graphs: dict[str, bytes],
    precision: str,
    max_targets: int,
    workspace_mb: int | None = None,
    timing_cache: Path | None = None,
) -> dict[str, bytes]:
    """Build serialized engines, by name, from serialized ONNX `graphs`.

    Symbolic dimensions may be 1 to `max_targets`; the engines are optimised for the largest. The file
    `timing_cache` keeps TensorRT's measurements of kernels for later builds. Raises :class:`EngineError`
    with TensorRT's reason.
    """
    engines = {}
    with tqdm(total=len(graphs), unit="engine", desc="building") as progress:
        for name, graph in graphs.items():
            progress.set_postfix_str(name)
            engines[name] = _build(name, graph, precision, max_targets, workspace_mb, timing_cache, progress)
            progress.update()
    return engines


def _build(
    name: str,
    graph: bytes,
    precision: str,
    max_targets: int,
    workspace_mb: int | None,
    timing_cache: Path | None,
    progress: Any,
) -> bytes:
    LOG.errors.clear()
    builder = trt.Builder(LOG)
    network = builder.create_network(_network_flags())
    parser = trt.OnnxParser(network, LOG)
    if not parser.parse(graph):
        found = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise EngineError(f"{name}.onnx: TensorRT cannot read it: {(found or [LOG.reason])[0]}")
    config = builder.create_builder_config()
    _set_precision(config, precision)
    if workspace_mb is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_mb << 20)
    _add_profile(builder, network, config, max_targets)
    known = timing_cache.read_bytes() if timing_cache and timing_cache.is_file() else b""
    # TensorRT returns None for a damaged file.
    timings = config.create_timing_cache(known) or config.create_timing_cache(b"")
    config.set_timing_cache(timings, False)
    _show_phases(config, name, progress)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise EngineError(f"{name}.onnx: TensorRT cannot build it: {LOG.reason}")
    if timing_cache is not None:
        timing_cache.write_bytes(bytes(config.get_timing_cache().serialize()))
    return bytes(engine)


def _network_flags() -> int:
    """Flags for a network whose types are those of the graph, where TensorRT supports strong typing."""
    return flags(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", "STRONGLY_TYPED")


def _set_precision(config: trt.IBuilderConfig, precision: str) -> None:
    """Allow the types of `precision` where TensorRT does not support strong typing; never allow TF32."""
    if hasattr(trt.BuilderFlag, "TF32"):
        config.clear_flag(trt.BuilderFlag.TF32)  # it rounds float32 to 10 bits of mantissa
    if hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
        return
    for flag in {"fp32": (), "fp16": ("FP16",), "int8": ("INT8",)}[precision]:
        config.set_flag(getattr(trt.BuilderFlag, flag))


def _add_profile(
    builder: trt.Builder, network: trt.INetworkDefinition, config: trt.IBuilderConfig, max_targets: int
) -> None:
    """Add the one profile, in which every symbolic dimension is 1 to `max_targets`."""
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = sides(tensor.shape)
        if -1 in shape:
            one: Any = tuple(1 if side == -1 else side for side in shape)
            most: Any = tuple(max_targets if side == -1 else side for side in shape)
            profile.set_shape(tensor.name, one, most, most)
    config.add_optimization_profile(profile)


def _show_phases(config: trt.IBuilderConfig, name: str, progress: Any) -> None:
    """Show the builder's phase beside the progress bar; TensorRT reports it from version 10 on."""
    if not hasattr(trt, "IProgressMonitor"):
        return

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.set_postfix_str(f"{name}: {phase_name}")

        def step_complete(self, phase_name: str, step: int) -> bool:
            return True

        def phase_finish(self, phase_name: str) -> None:
            pass

    config.progress_monitor = Monitor()
