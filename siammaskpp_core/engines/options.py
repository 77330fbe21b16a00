"""Which runtime computes the network, and how: read alike by the command line, the node and the engines.

Beside the engines and not among them, so that `--help` needs no NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, option

CPU_ENGINES = ("onnxruntime", "openvino")
"""Engines that compute the model folder's graphs as they are."""
ENGINES = (*CPU_ENGINES, "tensorrt")
"""Names of the engines; also the modules of :mod:`siammaskpp_core.engines.load` that hold them."""
AUTO = "auto"


@dataclass(frozen=True)
class EngineOptions(Checked):
    """The choice of an engine. TensorRT knows no threads, and takes the precision that was built last."""

    engine: str = option(
        "onnxruntime",
        "Runtime of the network; auto: tensorrt where an engine was built, else openvino, else onnxruntime",
        choices=(*ENGINES, AUTO),
    )
    precision: str = option(
        "fp32",
        "Of what the model keeps in float; bf16: with openvino, on processors that have it",
        choices=("fp32", "bf16"),
    )
    threads: int = option(0, "Threads on the CPU; 0: as the engine chooses", low=0, high=256)
    cpu_affinity: bool = option(False, "Keep each of these threads on one processor")
