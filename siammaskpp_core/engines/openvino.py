"""OpenVINO on the CPU: an optional engine, the fastest on x86."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.engines.graph_engine import GraphEngine
from siammaskpp_core.engines.imports import openvino_core
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import Model, ModelError
from siammaskpp_core.network.protocol import EngineError

_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoEngine(GraphEngine):
    """Runs the graphs as models compiled by OpenVINO.

    Inputs are not copied, and outputs stay in the buffers of the inference requests.
    """

    name = "openvino"

    def __init__(self, model: Model, options: EngineOptions) -> None:
        super().__init__(model, options)
        core = openvino_core()
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if options.precision == "bf16" and "BF16" not in capabilities:
            raise EngineError("this processor has no bfloat16 instructions: choose fp32 (the default)")
        # Set explicitly: by default the plugin may choose bfloat16, which exceeds the tolerance for float32.
        self._properties: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _PRECISIONS[options.precision],
        }
        if options.threads:
            self._properties["INFERENCE_NUM_THREADS"] = options.threads
        if options.cpu_affinity:
            self._properties["ENABLE_CPU_PINNING"] = True
        self._core, self._model = core, model
        self._compiled = {(graph, 1): self._compile(graph, streams=1) for graph in model.graphs}
        self._requests: dict[tuple[str, int, int], Any] = {}

    def run(self, graph: str, inputs: dict[str, Any], target: int = 0) -> list[Float32Array]:
        """See :class:`GraphEngine`."""
        request = self._request(graph, 1, target)
        request.infer(inputs, share_inputs=True)
        return [tensor.data for tensor in request.output_tensors]

    def run_pair(
        self, graph: str, inputs: Sequence[dict[str, Any]], target: int = 0
    ) -> list[list[Float32Array]]:
        """See :class:`GraphEngine`."""
        requests = [self._request(graph, 2, target + index) for index in (0, 1)]
        for request, feeds in zip(requests, inputs, strict=True):
            request.start_async(feeds, share_inputs=True)
        for request in requests:
            request.wait()
        return [[tensor.data for tensor in request.output_tensors] for request in requests]

    def _request(self, graph: str, streams: int, target: int) -> Any:
        """The inference request of a target, with buffers of its own; opened when it is first needed."""
        key = graph, streams, target
        if key not in self._requests:
            if key[:2] not in self._compiled:  # takes 0.3 s, which a tracker of one target never needs
                self._compiled[key[:2]] = self._compile(graph, streams)
            self._requests[key] = self._compiled[key[:2]].create_infer_request()
        return self._requests[key]

    def _compile(self, graph: str, streams: int) -> Any:
        path = self._model.graph(graph)
        properties = {**self._properties, **({"NUM_STREAMS": str(streams)} if streams > 1 else {})}
        try:
            return self._core.compile_model(path, "CPU", properties)
        except RuntimeError as error:
            raise ModelError(f"{path}: OpenVINO cannot load it: {error}") from error
