"""ONNX Runtime on the CPU: the default engine, one small dependency."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.engines.graph_engine import GraphEngine, allowed_cores
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import Model
from siammaskpp_core.network.protocol import EngineError, ModelError


class OnnxRuntimeEngine(GraphEngine):
    """The graphs as ONNX Runtime sessions.

    Inputs are read where they lie. Binding outputs to kept buffers was measured: it saves nothing.
    """

    name = "onnxruntime"

    def __init__(self, model: Model, options: EngineOptions) -> None:
        super().__init__(model, options)
        if options.precision != "fp32":
            raise EngineError(
                f"ONNX Runtime on the CPU knows no {options.precision}: choose fp32 (the default), or a "
                "model that `siammaskpp quantise` made"
            )
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError("ONNX Runtime is not installed: pip install onnxruntime") from error
        self._runtime = onnxruntime
        self._model = model
        cores = allowed_cores()[: options.threads or None] if options.cpu_affinity else []
        self._sessions = {graph: self._open(graph, options.threads, cores) for graph in model.graphs}
        self._half_cores = cores[: self.half], cores[self.half :]
        self._halves: dict[str, list[Any]] = {}
        self._other_thread = ThreadPoolExecutor(1)

    def run(self, graph: str, inputs: dict[str, Any], slot: int = 0) -> list[Float32Array]:
        """See :class:`GraphEngine`."""
        outputs: list[Float32Array] = self._sessions[graph].run(None, inputs)
        return outputs

    def run_pair(
        self, graph: str, inputs: Sequence[dict[str, Any]], slot: int = 0
    ) -> list[list[Float32Array]]:
        """See :class:`GraphEngine`."""
        if graph not in self._halves:  # 0.1 s, for which a tracker of one target does not wait
            self._halves[graph] = [self._open(graph, self.half, cores) for cores in self._half_cores]
        first, second = self._halves[graph]
        other = self._other_thread.submit(second.run, None, inputs[1])
        return [first.run(None, inputs[0]), other.result()]

    def _open(self, graph: str, threads: int, cores: list[int]) -> Any:
        """A session with so many threads (0: as the runtime chooses), or one on each of `cores`."""
        options = self._runtime.SessionOptions()
        # Between runs waiting threads would keep the cores from all else, and from the other graphs.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.intra_op_num_threads = len(cores) or threads
        # The calling thread is one of the threads and is not named; processors are counted from 1.
        others = ";".join(str(core + 1) for core in cores[1:])
        if others:
            options.add_session_config_entry("session.intra_op_thread_affinities", others)
        path = self._model.graph(graph)
        try:
            return self._runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own exceptions share no public base
            raise ModelError(f"{path}: ONNX Runtime cannot load it: {error}") from error
