"""Options of the engines. This module imports neither NumPy nor a runtime, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, option

CPU_ENGINES = ("onnxruntime", "openvino")
"""Engines that run the ONNX graphs of a model folder as they are."""
ENGINES = (*CPU_ENGINES, "tensorrt")
"""Names of all engines; :mod:`siammaskpp_core.engines.load` knows their modules."""
AUTO = "auto"
CPU, GPU = "cpu", "gpu"


@dataclass(frozen=True)
class EngineOptions(Checked):
    """The runtime of the network, the processor that it uses, and how.

    TensorRT ignores all options but `engine`: it runs the engine that was built last, in its precision, on
    the GPU.
    """

    engine: str = option(
        "onnxruntime",
        "Runtime of the network; auto takes tensorrt if an engine was built, else openvino, else onnxruntime",
        choices=(*ENGINES, AUTO),
    )
    precision: str = option(
        "fp32",
        "Precision of the layers that the model keeps in float; bf16 needs openvino and a CPU with bfloat16 "
        "instructions, fp16 needs openvino and a GPU or NPU",
        choices=("fp32", "fp16", "bf16"),
    )
    device: str = option(
        CPU,
        "Processor that onnxruntime or openvino uses; auto takes a GPU if one works, else the CPU",
        choices=(CPU, GPU, "npu", AUTO),
    )
    threads: int = option(
        0, "Number of CPU threads of the network; 0 lets the engine choose", low=0, high=256
    )
    cpu_affinity: bool = option(False, "Pin every thread of the network to one processor")
