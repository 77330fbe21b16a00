"""A frozen backbone, run by OpenVINO: in bfloat16, where the processor has it, twice torch's speed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from siammaskpp_core.errors import MissingPackageError
from siammaskpp_core.network.backbones import Backbone, Features
from siammaskpp_core.network.config import SEARCH_SIZE, TEMPLATE_SIZE


class FrozenBackbone:
    """Features of batches of crops on a CPU, without gradients."""

    def __init__(self, backbone: Backbone, batch: int, bfloat16: bool) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingPackageError(
                "training a frozen backbone needs openvino: pip install openvino"
            ) from error
        core = openvino.Core()
        bfloat16 &= "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32"}
        network = _Computed(backbone.eval())
        self._requests: dict[int, Any] = {}
        for size in (TEMPLATE_SIZE, SEARCH_SIZE):
            example = torch.zeros(batch, size, size, 3, dtype=torch.uint8)
            inputs = [(list(example.shape), np.uint8)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about tracing: all sizes are meant to be constants
                model = openvino.convert_model(network, example_input=example, input=inputs)
            self._requests[size] = core.compile_model(model, "CPU", options).create_infer_request()

    def __call__(self, pixels: Tensor) -> Features:
        """Features of uint8 BGR [B, H, W, 3]; valid until the next call with crops of that size."""
        request = self._requests[pixels.shape[1]]
        request.infer([pixels.numpy()], share_inputs=True)
        outputs = request.model_outputs
        return Features(*(torch.from_numpy(request.get_output_tensor(i).data) for i in range(len(outputs))))


class _Computed(nn.Module):
    """The features that a backbone computes, without those that it leaves out: tracing knows no None."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return tuple(x for x in self.backbone(pixels) if x is not None)
