"""ONNX Runtime on the CPU: the default engine, one small dependency."""

from __future__ import annotations

from typing import Any

from siammaskpp_core.engines.graphs import GraphEngine, Model
from siammaskpp_core.engines.protocol import EngineError, Floats, ModelError


class OnnxRuntimeEngine(GraphEngine):
    """The graphs as ONNX Runtime sessions; `threads` 0 leaves the number to the runtime."""

    name = "onnxruntime"

    def __init__(self, model: Model, threads: int = 0) -> None:
        super().__init__(model)
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError("ONNX Runtime is not installed: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._sessions: dict[str, Any] = {}
        for graph in model.graphs:
            path = model.graph(graph)
            try:
                self._sessions[graph] = onnxruntime.InferenceSession(
                    str(path), options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # the runtime's own exceptions share no public base
                raise ModelError(f"{path}: ONNX Runtime cannot load it: {error}") from error

    def run(self, graph: str, inputs: dict[str, Any]) -> list[Floats]:
        """See :class:`GraphEngine`."""
        outputs: list[Floats] = self._sessions[graph].run(None, inputs)
        return outputs
