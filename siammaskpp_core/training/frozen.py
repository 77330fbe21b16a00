"""A frozen backbone on the CPU, computed by OpenVINO at twice torch's speed (with bfloat16 instructions)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from siammaskpp_core.engines.imports import hidden, openvino_core
from siammaskpp_core.errors import extra
from siammaskpp_core.network.backbones import Backbone, Features
from siammaskpp_core.network.config import SEARCH_SIZE, TEMPLATE_SIZE


class FrozenBackbone:
    """Computes the features of `batch` crops at a time, without gradients."""

    def __init__(self, backbone: Backbone, batch: int, bfloat16: bool) -> None:
        # The telemetry of OpenVINO would report the import.
        with extra("train", "to train with a frozen backbone"), hidden("openvino_telemetry"):
            import openvino
        core = openvino_core()
        bfloat16 &= "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32"}
        network = _PresentFeatures(backbone.eval())
        self._requests: dict[int, Any] = {}
        for size in (TEMPLATE_SIZE, SEARCH_SIZE):
            example = torch.zeros(batch, size, size, 3, dtype=torch.uint8)
            inputs = [(list(example.shape), np.uint8)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tracing warns of constant sizes, which are intended
                model = openvino.convert_model(network, example_input=example, input=inputs)
            self._requests[size] = core.compile_model(model, "CPU", options).create_infer_request()

    def __call__(self, pixels: Tensor) -> Features:
        """Features of crops uint8 BGR [B, H, W, 3]; valid until the next call with crops of that size."""
        request = self._requests[pixels.shape[1]]
        request.infer([pixels.numpy()], share_inputs=True)
        outputs = request.model_outputs
        return Features(*(torch.from_numpy(request.get_output_tensor(i).data) for i in range(len(outputs))))


class _PresentFeatures(nn.Module):
    """A backbone that returns only the features it computes: tracing does not support None."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return tuple(x for x in self.backbone(pixels) if x is not None)
