"""ONNX Runtime on the CPU: the default engine, one small dependency."""

from __future__ import annotations

from typing import Any

from siammaskpp_core.engine_options import EngineOptions
from siammaskpp_core.engines.graphs import GraphEngine, Model, allowed_cores
from siammaskpp_core.engines.protocol import EngineError, Floats, ModelError


class OnnxRuntimeEngine(GraphEngine):
    """The graphs as ONNX Runtime sessions.

    Inputs are read where they lie. Binding outputs to kept buffers was measured: it saves nothing.
    """

    name = "onnxruntime"

    def __init__(self, model: Model, options: EngineOptions) -> None:
        super().__init__(model)
        if options.precision != "fp32":
            raise EngineError(
                f"ONNX Runtime on the CPU knows no {options.precision}: choose fp32 (the default), or a "
                "model that `siammaskpp quantise` made"
            )
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError("ONNX Runtime is not installed: pip install onnxruntime") from error
        session = onnxruntime.SessionOptions()
        # Between runs waiting threads would keep the cores from all else, and from the other graphs.
        session.add_session_config_entry("session.force_spinning_stop", "1")
        threads = options.threads
        if options.pin:
            # The calling thread is one of the threads and is not named; processors are counted from 1.
            cores = allowed_cores()[: threads or None]
            threads = len(cores)
            others = ";".join(str(core + 1) for core in cores[1:])
            if others:
                session.add_session_config_entry("session.intra_op_thread_affinities", others)
        session.intra_op_num_threads = threads
        self._sessions: dict[str, Any] = {}
        for graph in model.graphs:
            path = model.graph(graph)
            try:
                self._sessions[graph] = onnxruntime.InferenceSession(
                    str(path), session, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # the runtime's own exceptions share no public base
                raise ModelError(f"{path}: ONNX Runtime cannot load it: {error}") from error

    def run(self, graph: str, inputs: dict[str, Any], slot: int = 0) -> list[Floats]:
        """See :class:`GraphEngine`."""
        outputs: list[Floats] = self._sessions[graph].run(None, inputs)
        return outputs
