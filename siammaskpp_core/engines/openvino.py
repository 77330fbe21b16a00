"""OpenVINO on the CPU: optional, the fastest on x86."""

from __future__ import annotations

from typing import Any

from siammaskpp_core.engine_options import EngineOptions
from siammaskpp_core.engines.graphs import GraphEngine, Model
from siammaskpp_core.engines.protocol import EngineError, Floats, ModelError

_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoEngine(GraphEngine):
    """The graphs compiled by OpenVINO.

    Inputs are read where they lie; outputs stay in the buffers of the requests.
    """

    name = "openvino"

    def __init__(self, model: Model, options: EngineOptions) -> None:
        super().__init__(model)
        try:
            import openvino
        except ImportError as error:
            raise EngineError("OpenVINO is not installed: pip install 'siammaskpp[openvino]'") from error
        core = openvino.Core()
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if options.precision == "bf16" and "BF16" not in capabilities:
            raise EngineError("this processor has no bfloat16 instructions: choose fp32 (the default)")
        # Named explicitly, because the plugin may otherwise choose bfloat16, which is not equal enough.
        properties: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _PRECISIONS[options.precision],
        }
        if options.threads:
            properties["INFERENCE_NUM_THREADS"] = options.threads
        if options.pin:
            properties["ENABLE_CPU_PINNING"] = True
        self._models: dict[str, Any] = {}
        self._requests: dict[tuple[str, int], Any] = {}
        for graph in model.graphs:
            path = model.graph(graph)
            try:
                self._models[graph] = core.compile_model(path, "CPU", properties)
            except RuntimeError as error:
                raise ModelError(f"{path}: OpenVINO cannot load it: {error}") from error

    def run(self, graph: str, inputs: dict[str, Any], slot: int = 0) -> list[Floats]:
        """See :class:`GraphEngine`."""
        if (graph, slot) not in self._requests:
            self._requests[graph, slot] = self._models[graph].create_infer_request()
        request = self._requests[graph, slot]
        request.infer(inputs, share_inputs=True)
        return [tensor.data for tensor in request.output_tensors]
