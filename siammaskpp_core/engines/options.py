"""Options of the engines. This module imports neither NumPy nor a runtime, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, option

CPU_ENGINES = ("onnxruntime", "openvino")
"""Engines that run the ONNX graphs of a model folder as they are."""
ENGINES = (*CPU_ENGINES, "tensorrt")
"""Names of all engines; :mod:`siammaskpp_core.engines.load` knows their modules."""
AUTO = "auto"


@dataclass(frozen=True)
class EngineOptions(Checked):
    """The runtime of the network and how it uses the CPU.

    TensorRT ignores all options but `engine`: it runs the engine that was built last, in its precision.
    """

    engine: str = option(
        "onnxruntime",
        "Runtime of the network; auto takes tensorrt if an engine was built, else openvino, else onnxruntime",
        choices=(*ENGINES, AUTO),
    )
    precision: str = option(
        "fp32",
        "Precision of the layers that the model keeps in float; bf16 needs openvino and a processor with "
        "bfloat16 instructions",
        choices=("fp32", "bf16"),
    )
    threads: int = option(
        0, "Number of CPU threads of the network; 0 lets the engine choose", low=0, high=256
    )
    cpu_affinity: bool = option(False, "Pin every thread of the network to one processor")
