"""ONNX Runtime: the default engine, with one small dependency; on a GPU where its build has a provider."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.engines.graph_engine import GraphEngine, allowed_cores
from siammaskpp_core.engines.imports import importing
from siammaskpp_core.engines.options import CPU, EngineOptions
from siammaskpp_core.model.folder import Model, ModelError
from siammaskpp_core.network.protocol import EngineError

_PROVIDERS: dict[str, list[tuple[str, dict[str, str]]]] = {
    "gpu": [("CUDAExecutionProvider", {}), ("CoreMLExecutionProvider", {"MLComputeUnits": "CPUAndGPU"})],
    "npu": [("CoreMLExecutionProvider", {"MLComputeUnits": "CPUAndNeuralEngine"})],
}
"""Execution providers of each device with their options, the preferred one first.

The provider of TensorRT is left out: the engine `tensorrt` builds the same engines, keeps them and checks
their answers.
"""
_REMEDIES = {
    "gpu": "for an NVIDIA GPU, replace the package onnxruntime by onnxruntime-gpu; for an Intel GPU, choose "
    "engine openvino",
    "npu": "for an Intel NPU, choose engine openvino",
}


class OnnxRuntimeEngine(GraphEngine):
    """Runs the graphs as ONNX Runtime sessions.

    Inputs are not copied. Binding outputs to buffers that are kept was measured and saves no time.
    """

    runtime = "onnxruntime"

    def __init__(self, model: Model, options: EngineOptions) -> None:
        super().__init__(model, options)
        if options.precision != "fp32":
            raise EngineError(
                f"ONNX Runtime has no {options.precision}: choose fp32 (the default) or a "
                "model that `siammaskpp quantise` made"
            )
        with importing("ONNX Runtime", "onnxruntime", "pip install onnxruntime"):
            import onnxruntime
        self._runtime = onnxruntime
        self._model = model
        self._providers = _providers(onnxruntime, options.device)
        cores = allowed_cores()[: options.threads or None] if options.cpu_affinity else []
        self._sessions = {graph: self._open(graph, options.threads, cores) for graph in model.graphs}
        self._pair_cores = cores[: self.threads_per_target], cores[self.threads_per_target :]
        self._pair_sessions: dict[str, list[Any]] = {}
        self._second_thread = ThreadPoolExecutor(1)

    def run(self, graph: str, inputs: dict[str, Any], target: int = 0) -> list[Float32Array]:
        """See :class:`GraphEngine`."""
        outputs: list[Float32Array] = self._sessions[graph].run(None, inputs)
        return outputs

    def run_pair(
        self, graph: str, inputs: Sequence[dict[str, Any]], target: int = 0
    ) -> list[list[Float32Array]]:
        """See :class:`GraphEngine`."""
        if graph not in self._pair_sessions:  # takes 0.1 s, which a tracker of one target never needs
            self._pair_sessions[graph] = [
                self._open(graph, self.threads_per_target, cores) for cores in self._pair_cores
            ]
        first, second = self._pair_sessions[graph]
        second_run = self._second_thread.submit(second.run, None, inputs[1])
        return [first.run(None, inputs[0]), second_run.result()]

    def _open(self, graph: str, threads: int, cores: list[int]) -> Any:
        """A session with `threads` threads (0: the runtime chooses) or one pinned to each of `cores`."""
        options = self._runtime.SessionOptions()
        # Between runs, spinning threads would take the cores from other programs and from the other graphs.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.intra_op_num_threads = len(cores) or threads
        # The list omits the calling thread, which is one of the threads, and counts processors from 1.
        others = ";".join(str(core + 1) for core in cores[1:])
        if others:
            options.add_session_config_entry("session.intra_op_thread_affinities", others)
        path = self._model.graph(graph)
        try:
            session = self._runtime.InferenceSession(str(path), options, providers=self._providers)
        except Exception as error:  # the runtime's own exceptions share no public base
            raise ModelError(f"{path}: ONNX Runtime cannot load it: {error}") from error
        wanted = self._providers[0][0]
        if session.get_providers()[0] != wanted:  # it has gone over to the next provider
            raise EngineError(
                f"ONNX Runtime cannot start its {wanted}: its message names what is missing; "
                "the libraries of CUDA and cuDNN come with: pip install 'onnxruntime-gpu[cuda,cudnn]'"
            )
        return session


def _providers(runtime: Any, device: str) -> list[tuple[str, dict[str, str]]]:
    """Return the provider of a device and, for what that cannot compute, the CPU's.

    Raises :class:`EngineError` when this build of ONNX Runtime has none for the device.
    """
    on_cpu: tuple[str, dict[str, str]] = ("CPUExecutionProvider", {})
    if device == CPU:
        return [on_cpu]
    available = runtime.get_available_providers()
    for provider in _PROVIDERS[device]:
        if provider[0] in available:
            if hasattr(runtime, "preload_dlls"):  # finds the libraries that pip has installed
                runtime.preload_dlls()
            return [provider, on_cpu]
    raise EngineError(
        f"this build of ONNX Runtime has no provider for device {device}, only {', '.join(available)}: "
        f"{_REMEDIES[device]}"
    )
