"""Number of operations in the graphs of a model, and the peak rate of an engine on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from siammaskpp_core.engines.graph_engine import GraphEngine
from siammaskpp_core.engines.load import load_engine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import Model
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.tracking.config import TrackingConfig

_CHANNELS, _SIDE = 256, 64
_ROUNDS = 12


def count_operations(path: Path) -> int:
    """Return the number of multiplications and additions in the convolutions and matrix products of a graph.

    `path` is an ONNX file. Biases, activations and resizing are not counted; they are less than 1 % in the
    networks of this package.
    """
    graph = onnx.shape_inference.infer_shapes(_folded(path)).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        shapes[value.name] = tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            shapes[node.output[0]] = tuple(node.attribute[0].t.dims)
    return sum(_operations(node, shapes) for node in graph.node)


def _folded(path: Path) -> Any:
    """Load the graph with its constants folded, so that all shapes are known."""
    with TemporaryDirectory(prefix="siammaskpp-folded-") as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _operations(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    """Return twice the number of products of a node: a product and its addition are two operations."""
    if node.op_type not in ("Conv", "ConvTranspose", "MatMul", "Gemm"):
        return 0
    first, second = (shapes[name] for name in node.input[:2])
    out = shapes[node.output[0]]
    if node.op_type == "Conv":  # kernels [out, in / groups, h, w]
        return 2 * int(np.prod(out)) * int(np.prod(second[1:]))
    if node.op_type == "ConvTranspose":  # kernels [in, out / groups, h, w]
        return 2 * int(np.prod(first)) * int(np.prod(second[1:]))
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return 2 * int(np.prod(out)) * (first[-2] if transposed else first[-1])


@dataclass(frozen=True)
class _OneGraph(Model):
    @property
    def graphs(self) -> tuple[str, ...]:
        return ("search",)


class PeakRate:
    """The peak rate of an engine on this machine, measured in 3x3 convolutions of 256 channels.

    With `is_int8` the convolutions are quantised as :mod:`~siammaskpp_core.engines.export.quantise` does it.
    The engine must run on a CPU.
    """

    def __init__(self, options: EngineOptions, is_int8: bool) -> None:
        with TemporaryDirectory(prefix="siammaskpp-peak-") as folder:
            path = Path(folder) / "search.onnx"
            onnx.save(_convolution(is_int8), path)
            model = _OneGraph(Path(folder), NetworkConfig(mask="none"), TrackingConfig())
            loaded = load_engine(model, options)
            assert isinstance(loaded, GraphEngine), "the peak rate is measured on CPUs only"
            self._engine = loaded
            self._operations = count_operations(path)
        self._input = np.random.default_rng(0).normal(size=(1, _CHANNELS, _SIDE, _SIDE)).astype(np.float32)
        self._best_s = float("inf")

    def measure(self) -> float:
        """Return the highest rate so far in operations per second; on a busy machine, call it repeatedly."""
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            self._engine.run("search", {"x": self._input})
            self._best_s = min(self._best_s, time.perf_counter() - start)
        return self._operations / self._best_s


def _convolution(is_int8: bool) -> Any:
    """Return a graph of four convolutions [1, C, n, n] in a row, in float or with Q/DQ nodes."""
    rng = np.random.default_rng(0)
    nodes, constants = [], []

    def add_constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    def add(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    x = "x"
    kernel_shape = (_CHANNELS, _CHANNELS, 3, 3)
    if is_int8:
        scale, zero = add_constant("scale", np.float32(0.05)), add_constant("zero", np.int8(0))
    for index in range(4):
        if is_int8:
            x = add("QuantizeLinear", [x, scale, zero], f"q{index}")
            x = add("DequantizeLinear", [x, scale, zero], f"dq{index}")
            whole = add_constant(f"w{index}", rng.integers(-127, 128, kernel_shape, np.int8))
            small = add_constant(f"s{index}", np.full(_CHANNELS, 2e-4, np.float32))
            zeros = add_constant(f"z{index}", np.zeros(_CHANNELS, np.int8))
            weights = add("DequantizeLinear", [whole, small, zeros], f"dw{index}", axis=0)
        else:
            weights = add_constant(f"w{index}", rng.normal(0, 0.02, kernel_shape).astype(np.float32))
        x = add("Conv", [x, weights], f"y{index}", pads=[1, 1, 1, 1])
    shape = [1, _CHANNELS, _SIDE, _SIDE]
    graph = helper.make_graph(
        nodes,
        "peak",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, shape)],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
