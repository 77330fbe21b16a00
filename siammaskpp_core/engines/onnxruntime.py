"""ONNX Runtime on the CPU: the default engine, one small dependency."""

from __future__ import annotations

from typing import Any

import numpy as np

from siammaskpp_core.engines.graphs import GraphEngine, Model, allowed_cores
from siammaskpp_core.engines.protocol import EngineError, Floats, ModelError


class OnnxRuntimeEngine(GraphEngine):
    """The graphs as ONNX Runtime sessions; `threads` 0 leaves the number to the runtime.

    Inputs are read where they lie, outputs are written to buffers that are kept from run to run.
    """

    name = "onnxruntime"

    def __init__(self, model: Model, threads: int = 0, precision: str = "fp32", pinned: bool = False) -> None:
        super().__init__(model)
        if precision != "fp32":
            raise EngineError(
                f"ONNX Runtime on the CPU knows no {precision}: choose fp32 (the default), or a model "
                "that `siammaskpp quantise` made"
            )
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError("ONNX Runtime is not installed: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        # Between runs waiting threads would keep the cores from all else, and from the other graphs.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        if pinned:
            # The calling thread is one of the threads and is not named; processors are counted from 1.
            cores = allowed_cores()[: threads or None]
            threads = len(cores)
            others = ";".join(str(core + 1) for core in cores[1:])
            if others:
                options.add_session_config_entry("session.intra_op_thread_affinities", others)
        options.intra_op_num_threads = threads
        self._sessions: dict[str, Any] = {}
        self._bindings: dict[tuple[str, int], tuple[Any, list[Floats]]] = {}
        for graph in model.graphs:
            path = model.graph(graph)
            try:
                self._sessions[graph] = onnxruntime.InferenceSession(
                    str(path), options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # the runtime's own exceptions share no public base
                raise ModelError(f"{path}: ONNX Runtime cannot load it: {error}") from error

    def run(self, graph: str, inputs: dict[str, Any], slot: int = 0) -> list[Floats]:
        """See :class:`GraphEngine`."""
        session = self._sessions[graph]
        if (graph, slot) not in self._bindings:
            self._bindings[graph, slot] = _bind_outputs(session)
        binding, outputs = self._bindings[graph, slot]
        for name, value in inputs.items():
            binding.bind_cpu_input(name, value)
        session.run_with_iobinding(binding)
        return outputs


def _bind_outputs(session: Any) -> tuple[Any, list[Floats]]:
    """A binding of `session` and the arrays to which its outputs are written."""
    binding = session.io_binding()
    outputs = [np.empty(output.shape, np.float32) for output in session.get_outputs()]
    for output, array in zip(session.get_outputs(), outputs, strict=True):
        binding.bind_output(output.name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    return binding, outputs
