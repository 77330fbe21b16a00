"""OpenVINO on the CPU: optional, the fastest on x86."""

from __future__ import annotations

from typing import Any

import numpy as np

from siammaskpp_core.engines.graphs import GraphEngine, Model
from siammaskpp_core.engines.protocol import EngineError, Floats, ModelError


class OpenVinoEngine(GraphEngine):
    """The graphs compiled by OpenVINO in float32; `threads` 0 leaves the number to the runtime."""

    name = "openvino"

    def __init__(self, model: Model, threads: int = 0) -> None:
        super().__init__(model)
        try:
            import openvino
        except ImportError as error:
            raise EngineError("OpenVINO is not installed: pip install 'siammaskpp[openvino]'") from error
        core = openvino.Core()
        # Named explicitly, because the plugin may otherwise choose bfloat16, which is not equal enough.
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        self._requests: dict[str, Any] = {}
        for graph in model.graphs:
            path = model.graph(graph)
            try:
                self._requests[graph] = core.compile_model(path, "CPU", options).create_infer_request()
            except RuntimeError as error:
                raise ModelError(f"{path}: OpenVINO cannot load it: {error}") from error

    def run(self, graph: str, inputs: dict[str, Any]) -> list[Floats]:
        """See :class:`GraphEngine`. Outputs are copied: the request's own buffers are reused."""
        request = self._requests[graph]
        request.infer(inputs, share_inputs=True)
        return [np.array(tensor.data) for tensor in request.output_tensors]
