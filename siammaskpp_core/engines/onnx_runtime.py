"""ONNX Runtime on the CPU: the default engine, with one small dependency."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.engines.graph_engine import GraphEngine, allowed_cores
from siammaskpp_core.engines.imports import importing
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import Model, ModelError
from siammaskpp_core.network.protocol import EngineError


class OnnxRuntimeEngine(GraphEngine):
    """Runs the graphs as ONNX Runtime sessions.

    Inputs are not copied. Binding outputs to buffers that are kept was measured and saves no time.
    """

    name = "onnxruntime"

    def __init__(self, model: Model, options: EngineOptions) -> None:
        super().__init__(model, options)
        if options.precision != "fp32":
            raise EngineError(
                f"ONNX Runtime has no {options.precision} on the CPU: choose fp32 (the default) or a "
                "model that `siammaskpp quantise` made"
            )
        with importing("ONNX Runtime", "onnxruntime", "pip install onnxruntime"):
            import onnxruntime
        self._runtime = onnxruntime
        self._model = model
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
            return self._runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own exceptions share no public base
            raise ModelError(f"{path}: ONNX Runtime cannot load it: {error}") from error
