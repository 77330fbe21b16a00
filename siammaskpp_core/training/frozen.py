"""A frozen backbone, run by OpenVINO in bfloat16 where the processor has it: twice torch's speed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from siammaskpp_core.network.backbones import Backbone, Features


class FrozenBackbone:
    """Features of pictures of one size and batch, without gradients."""

    def __init__(self, backbone: Backbone, batch: int, size: int) -> None:
        try:
            import openvino
        except ImportError as error:
            raise ImportError("training a frozen backbone needs openvino: pip install openvino") from error
        example = torch.zeros(batch, size, size, 3, dtype=torch.uint8)
        model = openvino.convert_model(
            backbone.eval(), example_input=example, input=[(list(example.shape), np.uint8)]
        )
        core = openvino.Core()
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if "BF16" in capabilities:
            options["INFERENCE_PRECISION_HINT"] = "bf16"
        self._request = core.compile_model(model, "CPU", options).create_infer_request()

    def __call__(self, pixels: NDArray[np.uint8]) -> Features:
        """Features of uint8 BGR [B, H, W, 3]; valid until the next call."""
        self._request.infer([pixels], share_inputs=True)
        outputs = (self._request.get_output_tensor(i).data for i in range(len(Features._fields)))
        return Features(*map(torch.from_numpy, outputs))
