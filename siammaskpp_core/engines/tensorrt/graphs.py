"""What TensorRT builds: a model folder's graphs in the wanted precision, for one or several targets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from siammaskpp_core.model.folder import WINDOWS, Model
from siammaskpp_core.network.config import MASK_SIZE
from siammaskpp_core.network.protocol import ModelError

PRECISIONS = ("fp16", "fp32", "int8")


def prepared_graphs(model: Model, precision: str, max_targets: int) -> dict[str, bytes]:
    """The graphs of `model` as serialized ONNX, by name, with float32 inputs and outputs.

    The precision is in the graph itself, because that is what every version of TensorRT understands
    alike: float16 is converted here, int8 is a model that `siammaskpp quantise` made. For one target the
    correlation stays a grouped convolution and all sizes are fixed; for several it becomes shifted products
    and the batch size symbolic.

    Raises :class:`ModelError` when the model has another precision or cannot have several targets.
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
        graphs = {name: _half(graph) for name, graph in graphs.items()}
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
    """Let nothing but a Cast see the bytes of a picture: TensorRT knows them only as a network's input."""
    graph = model.graph
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.UINT8:
            floats = f"{value.name}/float"
            rename_input(graph, value.name, floats)
            cast = helper.make_node("Cast", [value.name], [floats], name=floats, to=TensorProto.FLOAT)
            graph.node.insert(0, cast)


def _half(graph: ModelProto) -> ModelProto:
    """`graph` in float16 but for its inputs and outputs."""
    converted = OnnxModel(convert_float_to_float16(graph, keep_io_types=True))
    converted.topological_sort()  # the conversion puts its casts at the end
    result: ModelProto = converted.model
    return result


def with_windows(refine: ModelProto, search: ModelProto, max_targets: int) -> ModelProto:
    """`refine` on whole maps, those that `search` gives in buffers for `max_targets`.

    Inputs: mask [T, M, R, R] and, where refine takes windows, stride2, stride4, conv3 [T, C, H, W] with
    T = `max_targets`; rows int32 [N], which of the T targets; cells int32 [N, 2], (row, column) of the
    response. Output: probability [N, 1, 127, 127]. N is symbolic, or 1 when `max_targets` is.
    """
    result = ModelProto()
    result.CopyFrom(refine)
    graph = result.graph
    maps = {value.name: value for value in search.graph.output}
    inputs, nodes = [], list(_positions())
    for value in graph.input:
        name, side = value.name, value.type.tensor_type.shape.dim[-1].dim_value
        source = "mask" if name == "vector" else name
        whole = maps[source].type.tensor_type.shape.dim[-1].dim_value
        rename_input(graph, name, f"{source}/window")
        step = WINDOWS.get(name, 1)
        # A vector is the response's own cell; windows start four cells up and left of it.
        nodes.extend(_cut(source, step, 0 if name == "vector" else 4 * step, side, whole))
        inputs.append(_with_first_side(maps[source], max_targets))
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


def _positions() -> Iterator[NodeProto]:
    """Rows and columns of the response, [N, 1, 1, 1] each."""
    yield constant("cut/inner_axes", [1, 2, 3])
    for axis in (0, 1):
        yield constant(f"cut/index_{axis}", axis, np.int32)
        yield _cut_node("Gather", ["cells", f"cut/index_{axis}"], f"cut/cells_{axis}", axis=1)
        yield _cut_node("Unsqueeze", [f"cut/cells_{axis}", "cut/inner_axes"], f"cut/position_{axis}")


def _cut(source: str, step: int, margin: int, side: int, whole: int) -> Iterator[NodeProto]:
    """Nodes that cut a window of `side` x `side` cells from the map `source`, `whole` cells wide.

    It starts at `step` times the position, less `margin`.
    """
    base = f"{source}/cut"
    wanted, cells = np.arange(side) - margin, np.arange(whole)
    yield constant(f"{base}/step", step, np.int32)
    # Ones where place i of the window is cell j of the map: [N, 1, side, whole], for columns transposed.
    for axis, shape, other in ((0, (1, 1, -1, 1), (1, 1, 1, -1)), (1, (1, 1, 1, -1), (1, 1, -1, 1))):
        at = f"{base}/axis_{axis}"
        yield constant(f"{at}/wanted", wanted.reshape(shape), np.int32)
        yield constant(f"{at}/cells", cells.reshape(other), np.int32)
        yield _cut_node("Mul", [f"cut/position_{axis}", f"{base}/step"], f"{at}/start")
        yield _cut_node("Add", [f"{at}/start", f"{at}/wanted"], f"{at}/places")
        yield _cut_node("Equal", [f"{at}/places", f"{at}/cells"], f"{at}/is_it")
        yield _cut_node("Cast", [f"{at}/is_it"], f"{at}/selection", to=TensorProto.FLOAT)
    yield _cut_node("Gather", [source, "rows"], f"{base}/map", axis=0)
    yield _cut_node("MatMul", [f"{base}/axis_0/selection", f"{base}/map"], f"{base}/strip")
    yield _cut_node("MatMul", [f"{base}/strip", f"{base}/axis_1/selection"], f"{source}/window")


def _with_first_side(value: ValueInfoProto, side: int) -> ValueInfoProto:
    copy = ValueInfoProto()
    copy.CopyFrom(value)
    copy.type.tensor_type.shape.dim[0].dim_value = side
    return copy


def _cut_node(kind: str, inputs: list[str], output: str, **attributes: int) -> NodeProto:
    return helper.make_node(kind, inputs, [output], name=output, **attributes)


BATCH = "batch"
"""Name of the symbolic first dimension of every input and output."""
_TO_THE_END = np.iinfo(np.int64).max


def with_dynamic_batch(model: ModelProto, name: str) -> ModelProto:
    """`model`, a graph of batch size 1 called `name` in messages, for any batch size.

    Raises :class:`ModelError` for a correlation that is not depth-wise.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    constants = _constants(graph)
    producers = {output: node for node in graph.node for output in node.output}
    fixed = set(constants)
    nodes: list[NodeProto] = []
    for node in graph.node:
        if fixed.issuperset(node.input):  # int8 weights are computed from constants
            fixed.update(node.output)
        if node.op_type == "Conv" and node.input[1] not in fixed:
            nodes.extend(_shifted_products(node, producers, constants, name))
        elif node.op_type == "Reshape" and _leads_with_one(node.input[1], constants):
            nodes.extend(_reshape(node, constants[node.input[1]]))
        elif node.op_type == "Resize" and len(node.input) > 3 and _leads_with_one(node.input[3], constants):
            nodes.extend(_resize(node, constants[node.input[3]]))
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(_used(nodes, {output.name for output in graph.output}))
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    onnx.checker.check_model(result)
    return result


def constant(name: str, values: Any, dtype: Any = np.int64) -> NodeProto:
    """A Constant node that outputs `values` as `name`."""
    tensor = numpy_helper.from_array(np.asarray(values, dtype))
    return helper.make_node("Constant", [], [name], name=name, value=tensor)


def rename_input(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Let the nodes of `graph` that read the value `old` read `new`."""
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new


def _constants(graph: onnx.GraphProto) -> dict[str, Any]:
    """The values that do not depend on the inputs, by name."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    return values


def _leads_with_one(name: str, constants: dict[str, Any]) -> bool:
    return name in constants and constants[name].size > 0 and int(constants[name][0]) == 1


def _shifted_products(
    conv: NodeProto, producers: dict[str, NodeProto], constants: dict[str, Any], name: str
) -> Iterator[NodeProto]:
    """Nodes that compute the depth-wise correlation `conv` without a convolution."""
    search, kernels, rows, columns = _operands(conv, producers, constants, name)
    base, products = conv.output[0], []
    yield constant(f"{base}/axes", [2, 3])
    for row, column in product(range(rows), range(columns)):
        at = f"{base}/{row}_{column}"
        products.append(f"{at}/product")
        yield constant(f"{at}/start", [row, column])
        yield constant(f"{at}/end", [(row + 1 - rows) or _TO_THE_END, (column + 1 - columns) or _TO_THE_END])
        yield constant(f"{at}/next", [row + 1, column + 1])
        yield _node("Slice", [search, f"{at}/start", f"{at}/end", f"{base}/axes"], f"{at}/shifted")
        yield _node("Slice", [kernels, f"{at}/start", f"{at}/next", f"{base}/axes"], f"{at}/weight")
        yield _node("Mul", [f"{at}/shifted", f"{at}/weight"], products[-1])
    total = products[0]
    for index, term in enumerate(products[1:], 1):
        yield _node("Add", [total, term], f"{base}/sum_{index}")
        total = f"{base}/sum_{index}"
    yield _node("Identity", [total], base)


def _operands(
    conv: NodeProto, producers: dict[str, NodeProto], constants: dict[str, Any], name: str
) -> tuple[str, str, int, int]:
    """The maps and the kernels [1, C, H, W] that `conv` correlates, and the kernels' height and width."""
    operands = []
    for value in conv.input:
        reshape = producers.get(value)
        shape = constants.get(reshape.input[1]) if reshape and reshape.op_type == "Reshape" else None
        if reshape is not None and shape is not None and len(shape) == 4:
            operands.append((reshape.input[0], [int(side) for side in shape]))
    attributes = {item.name: helper.get_attribute_value(item) for item in conv.attribute}
    is_plain = {*attributes.get("strides", ()), *attributes.get("dilations", ())} <= {1}
    if (
        len(operands) != 2
        or operands[1][1][:2] != [attributes.get("group"), 1]
        or not is_plain
        or any(attributes.get("pads", ()))
    ):
        raise ModelError(
            f"{name}.onnx: its correlation {conv.name} is not depth-wise (up-channel or cross-correlation); "
            "for this network an engine follows one target at a time: --max-targets 1"
        )
    (search, _), (kernels, (*_, rows, columns)) = operands
    return search, kernels, rows, columns


def _reshape(node: NodeProto, sides: Any) -> Iterator[NodeProto]:
    """The same Reshape with the first side as it comes (0)."""
    name = f"{node.output[0]}/sides"
    yield constant(name, [0, *sides[1:]])
    yield _node("Reshape", [node.input[0], name], node.output[0])


def _resize(node: NodeProto, sizes: Any) -> Iterator[NodeProto]:
    """The same Resize with the first size as it comes."""
    base = node.output[0]
    yield _node("Shape", [node.input[0]], f"{base}/shape")
    yield constant(f"{base}/first", [0])
    yield _node("Gather", [f"{base}/shape", f"{base}/first"], f"{base}/batch")
    yield constant(f"{base}/others", sizes[1:])
    concat = _node("Concat", [f"{base}/batch", f"{base}/others"], f"{base}/sizes")
    concat.attribute.append(helper.make_attribute("axis", 0))
    yield concat
    resize = NodeProto()
    resize.CopyFrom(node)
    resize.input[3] = f"{base}/sizes"
    yield resize


def _node(kind: str, inputs: list[str], output: str) -> NodeProto:
    return helper.make_node(kind, inputs, [output], name=output)


def _used(nodes: list[NodeProto], wanted: set[str]) -> list[NodeProto]:
    """Those of `nodes`, which are in order, that the outputs `wanted` depend on."""
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted = wanted.union(node.input)
    return kept[::-1]
