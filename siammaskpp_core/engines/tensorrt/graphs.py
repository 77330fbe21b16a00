"""The graphs that TensorRT builds: those of a model folder, rewritten for a precision and several targets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from siammaskpp_core.engines.tensorrt.dynamic_batch import (
    BATCH,
    constant,
    make_node,
    rename_input,
    with_dynamic_batch,
)
from siammaskpp_core.model.folder import WINDOW_STRIDES, Model, ModelError
from siammaskpp_core.network.config import MASK_SIZE

PRECISIONS = ("fp16", "fp32", "int8")


def prepared_graphs(model: Model, precision: str, max_targets: int) -> dict[str, bytes]:
    """The graphs of `model` as serialized ONNX, by name, with float32 inputs and outputs.

    The precision is part of the graph, since all versions of TensorRT interpret that in the same way: the
    conversion to float16 happens here, and an int8 graph comes from `siammaskpp quantise`. For one target
    the correlation stays a grouped convolution and all sizes are fixed. For several targets it becomes a sum
    of shifted products, and the batch size becomes symbolic.

    Raises :class:`ModelError` when the model has another precision or does not support several targets.
    """
    check_precision(model, precision)
    graphs = {name: onnx.load(str(model.graph(name))) for name in model.graphs}
    if max_targets > 1:
        graphs = {name: with_dynamic_batch(graph, name) for name, graph in graphs.items()}
    if "refine" in graphs:
        graphs["refine"] = with_windows(graphs["refine"], graphs["search"], max_targets)
    for graph in graphs.values():
        _cast_pixels_first(graph)
    if precision == "fp16":
        graphs = {name: _in_float16(graph) for name, graph in graphs.items()}
    return {name: graph.SerializeToString() for name, graph in graphs.items()}


def check_precision(model: Model, precision: str) -> None:
    """Raise :class:`ModelError` when an engine of `precision` cannot be built from `model`."""
    if precision == "int8" and model.precision != "int8":
        raise ModelError(
            f"{model.folder} is a float model: make its int8 twin first (siammaskpp quantise --symmetric) "
            "and build that"
        )
    if precision != "int8" and model.precision == "int8":
        raise ModelError(f"{model.folder} is an int8 model: only --precision int8 can be built from it")


def _cast_pixels_first(model: ModelProto) -> None:
    """Cast uint8 images to float before anything else: TensorRT supports uint8 only as a network input."""
    graph = model.graph
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.UINT8:
            floats = f"{value.name}/float"
            rename_input(graph, value.name, floats)
            cast = helper.make_node("Cast", [value.name], [floats], name=floats, to=TensorProto.FLOAT)
            graph.node.insert(0, cast)


def _in_float16(graph: ModelProto) -> ModelProto:
    """`graph` in float16, with float32 inputs and outputs."""
    converted = OnnxModel(convert_float_to_float16(graph, keep_io_types=True))
    converted.topological_sort()  # the conversion appends its casts at the end
    result: ModelProto = converted.model
    return result


def with_windows(refine: ModelProto, search: ModelProto, max_targets: int) -> ModelProto:
    """Let the graph `refine` cut its windows from the outputs of `search`, which then stay on the GPU.

    The inputs become mask [T, M, R, R] and, where refine reads windows, stride2, stride4 and conv3
    [T, C, H, W] with T = `max_targets`; rows int32 [N], the index of each target among the T; and cells int32
    [N, 2], the response cell (row, column). The output is probability [N, 1, 127, 127]. N is symbolic, or 1
    for a `max_targets` of 1.
    """
    result = ModelProto()
    result.CopyFrom(refine)
    graph = result.graph
    maps = {value.name: value for value in search.graph.output}
    inputs, nodes = [], list(_cell_positions())
    for value in graph.input:
        name, side = value.name, value.type.tensor_type.shape.dim[-1].dim_value
        source = "mask" if name == "vector" else name
        whole = maps[source].type.tensor_type.shape.dim[-1].dim_value
        rename_input(graph, name, f"{source}/window")
        stride = WINDOW_STRIDES.get(name, 1)
        # The vector is the response cell itself; windows start four cells above and left of it.
        nodes.extend(_cut(source, stride, 0 if name == "vector" else 4 * stride, side, whole))
        inputs.append(_with_batch_size(maps[source], max_targets))
    count: str | int = BATCH if max_targets > 1 else 1
    inputs.append(helper.make_tensor_value_info("rows", TensorProto.INT32, [count]))
    inputs.append(helper.make_tensor_value_info("cells", TensorProto.INT32, [count, 2]))
    nodes.extend(graph.node)
    for field, content in ((graph.node, nodes), (graph.input, inputs)):
        content = list(content)
        del field[:]
        field.extend(content)
    shape = [count, 1, MASK_SIZE, MASK_SIZE]
    graph.output[0].CopyFrom(helper.make_tensor_value_info(graph.output[0].name, TensorProto.FLOAT, shape))
    onnx.checker.check_model(result)
    return result


def _cell_positions() -> Iterator[NodeProto]:
    """Nodes for the rows and the columns of the response cells, [N, 1, 1, 1] each."""
    yield constant("cut/inner_axes", [1, 2, 3])
    for axis in (0, 1):
        yield constant(f"cut/index_{axis}", axis, np.int32)
        yield make_node("Gather", ["cells", f"cut/index_{axis}"], f"cut/cells_{axis}", axis=1)
        yield make_node("Unsqueeze", [f"cut/cells_{axis}", "cut/inner_axes"], f"cut/position_{axis}")


def _cut(source: str, stride: int, margin: int, side: int, whole: int) -> Iterator[NodeProto]:
    """Nodes that cut a window of `side` x `side` cells from the map `source`, which is `whole` cells wide.

    The window starts at `stride` times the cell's position, minus `margin`. It is cut by two products with
    matrices of zeros and ones, so that cells outside the map become zero.
    """
    base = f"{source}/cut"
    wanted, cells = np.arange(side) - margin, np.arange(whole)
    yield constant(f"{base}/stride", stride, np.int32)
    # [N, 1, side, whole], transposed for columns: one where cell i of the window is cell j of the map.
    for axis, shape, other in ((0, (1, 1, -1, 1), (1, 1, 1, -1)), (1, (1, 1, 1, -1), (1, 1, -1, 1))):
        at = f"{base}/axis_{axis}"
        yield constant(f"{at}/wanted", wanted.reshape(shape), np.int32)
        yield constant(f"{at}/cells", cells.reshape(other), np.int32)
        yield make_node("Mul", [f"cut/position_{axis}", f"{base}/stride"], f"{at}/start")
        yield make_node("Add", [f"{at}/start", f"{at}/wanted"], f"{at}/places")
        yield make_node("Equal", [f"{at}/places", f"{at}/cells"], f"{at}/is_it")
        yield make_node("Cast", [f"{at}/is_it"], f"{at}/selection", to=TensorProto.FLOAT)
    yield make_node("Gather", [source, "rows"], f"{base}/map", axis=0)
    yield make_node("MatMul", [f"{base}/axis_0/selection", f"{base}/map"], f"{base}/strip")
    yield make_node("MatMul", [f"{base}/strip", f"{base}/axis_1/selection"], f"{source}/window")


def _with_batch_size(value: ValueInfoProto, size: int) -> ValueInfoProto:
    copy = ValueInfoProto()
    copy.CopyFrom(value)
    copy.type.tensor_type.shape.dim[0].dim_value = size
    return copy
