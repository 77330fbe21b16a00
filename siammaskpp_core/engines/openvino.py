"""OpenVINO: an optional engine, the fastest on x86; also on the GPUs and NPUs of Intel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.engines.graph_engine import GraphEngine
from siammaskpp_core.engines.imports import openvino_core
from siammaskpp_core.engines.options import CPU, EngineOptions
from siammaskpp_core.model.folder import Model, ModelError
from siammaskpp_core.network.protocol import EngineError

_PRECISIONS = {"fp32": ("f32", "float32"), "fp16": ("f16", "float16"), "bf16": ("bf16", "bfloat16")}
"""Each precision as OpenVINO writes it, and its name."""
_DRIVERS = {
    "gpu": "Intel's driver for computing (Debian and Ubuntu: apt install intel-opencl-icd)",
    "npu": "Intel's NPU driver (https://github.com/intel/linux-npu-driver)",
}


class OpenVinoEngine(GraphEngine):
    """Runs the graphs as models compiled by OpenVINO.

    Inputs are not copied, and outputs stay in the buffers of the inference requests.
    """

    runtime = "openvino"

    def __init__(self, model: Model, options: EngineOptions) -> None:
        super().__init__(model, options)
        self._core, self._model = openvino_core(), model
        self._device = options.device.upper()
        _check_device(self._core, options.device)
        _check_precision(self._core, self._device, options.precision)
        # Set explicitly: by default the plugin may choose bfloat16, which exceeds the tolerance for float32.
        self._properties: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _PRECISIONS[options.precision][0],
        }
        if options.device == CPU and options.threads:
            self._properties["INFERENCE_NUM_THREADS"] = options.threads
        if options.device == CPU and options.cpu_affinity:
            self._properties["ENABLE_CPU_PINNING"] = True
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
            return self._core.compile_model(path, self._device, properties)
        except RuntimeError as error:
            if self._device == "CPU":
                raise ModelError(f"{path}: OpenVINO cannot load it: {error}") from error
            raise EngineError(f"OpenVINO cannot run {path} on the {self._device}: {error}") from error


def _check_device(core: Any, device: str) -> None:
    """Raise :class:`EngineError` when OpenVINO does not find the device."""
    found = core.available_devices  # such as CPU, GPU.0, GPU.1, NPU
    if device.upper() not in {name.partition(".")[0] for name in found}:
        raise EngineError(
            f"OpenVINO finds no {device.upper()}, only {', '.join(found)}: it needs {_DRIVERS[device]} and a "
            "user in the group render (sudo usermod -aG render $USER, then log in again)"
        )


def _check_precision(core: Any, device: str, precision: str) -> None:
    """Raise :class:`EngineError` when the device does not compute in the precision."""
    capabilities = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    if precision.upper() not in capabilities:
        others = " or ".join(name for name in _PRECISIONS if name.upper() in capabilities)
        raise EngineError(f"this {device} has no {_PRECISIONS[precision][1]}: choose precision {others}")
