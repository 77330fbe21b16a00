"""OpenVINO on the CPU: optional, the fastest on x86."""

from __future__ import annotations

from typing import Any

from siammaskpp_core.engines.graphs import GraphEngine, Model
from siammaskpp_core.engines.protocol import EngineError, Floats, ModelError

_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoEngine(GraphEngine):
    """The graphs compiled by OpenVINO; `threads` 0 leaves the number to the runtime.

    Inputs are read where they lie; outputs stay in the buffers of the requests.
    """

    name = "openvino"

    def __init__(self, model: Model, threads: int = 0, precision: str = "fp32", pinned: bool = False) -> None:
        super().__init__(model)
        if precision not in _PRECISIONS:
            raise EngineError(f"OpenVINO knows no {precision} here: choose one of {', '.join(_PRECISIONS)}")
        try:
            import openvino
        except ImportError as error:
            raise EngineError("OpenVINO is not installed: pip install 'siammaskpp[openvino]'") from error
        core = openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise EngineError("this processor has no bfloat16 instructions: choose fp32 (the default)")
        # Named explicitly, because the plugin may otherwise choose bfloat16, which is not equal enough.
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        if pinned:
            options["ENABLE_CPU_PINNING"] = True
        self._models: dict[str, Any] = {}
        self._requests: dict[tuple[str, int], Any] = {}
        for graph in model.graphs:
            path = model.graph(graph)
            try:
                self._models[graph] = core.compile_model(path, "CPU", options)
            except RuntimeError as error:
                raise ModelError(f"{path}: OpenVINO cannot load it: {error}") from error

    def run(self, graph: str, inputs: dict[str, Any], slot: int = 0) -> list[Floats]:
        """See :class:`GraphEngine`."""
        if (graph, slot) not in self._requests:
            self._requests[graph, slot] = self._models[graph].create_infer_request()
        request = self._requests[graph, slot]
        request.infer(inputs, share_inputs=True)
        return [tensor.data for tensor in request.output_tensors]
