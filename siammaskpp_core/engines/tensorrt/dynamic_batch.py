"""Rewriting of an ONNX graph of batch size 1 for a symbolic batch size, without convolutions on inputs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from siammaskpp_core.model.folder import ModelError

BATCH = "batch"
"""Name of the symbolic first dimension of every input and output."""
_TO_THE_END = np.iinfo(np.int64).max


def with_dynamic_batch(model: ModelProto, name: str) -> ModelProto:
    """A copy of `model`, a graph of batch size 1, whose batch size is symbolic (:data:`BATCH`).

    The depth-wise correlation becomes a sum of shifted products, since a convolution with computed kernels
    would fix the batch size. `name` is the graph's name in messages. Raises :class:`ModelError` for a
    correlation that is not depth-wise.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    constants = _constants(graph)
    producers = {output: node for node in graph.node for output in node.output}
    constant_values = set(constants)
    nodes: list[NodeProto] = []
    for node in graph.node:
        if constant_values.issuperset(node.input):  # int8 weights are computed from constants
            constant_values.update(node.output)
        if node.op_type == "Conv" and node.input[1] not in constant_values:
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
    """A Constant node whose output `name` has the `values`."""
    tensor = numpy_helper.from_array(np.asarray(values, dtype))
    return helper.make_node("Constant", [], [name], name=name, value=tensor)


def make_node(kind: str, inputs: list[str], output: str, **attributes: int) -> NodeProto:
    """A node of the operator `kind` that is named after its only output."""
    return helper.make_node(kind, inputs, [output], name=output, **attributes)


def rename_input(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Make the nodes of `graph` that read the value `old` read `new` instead."""
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new


def _constants(graph: onnx.GraphProto) -> dict[str, Any]:
    """The constant values of `graph` by name."""
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
    """Nodes that compute the depth-wise correlation `conv` by Slice, Mul and Add."""
    search, kernels, rows, columns = _operands(conv, producers, constants, name)
    base, products = conv.output[0], []
    yield constant(f"{base}/axes", [2, 3])
    for row, column in product(range(rows), range(columns)):
        at = f"{base}/{row}_{column}"
        products.append(f"{at}/product")
        yield constant(f"{at}/start", [row, column])
        yield constant(f"{at}/end", [(row + 1 - rows) or _TO_THE_END, (column + 1 - columns) or _TO_THE_END])
        yield constant(f"{at}/next", [row + 1, column + 1])
        yield make_node("Slice", [search, f"{at}/start", f"{at}/end", f"{base}/axes"], f"{at}/shifted")
        yield make_node("Slice", [kernels, f"{at}/start", f"{at}/next", f"{base}/axes"], f"{at}/weight")
        yield make_node("Mul", [f"{at}/shifted", f"{at}/weight"], products[-1])
    total = products[0]
    for index, term in enumerate(products[1:], 1):
        yield make_node("Add", [total, term], f"{base}/sum_{index}")
        total = f"{base}/sum_{index}"
    yield make_node("Identity", [total], base)


def _operands(
    conv: NodeProto, producers: dict[str, NodeProto], constants: dict[str, Any], name: str
) -> tuple[str, str, int, int]:
    """The names of the maps and kernels [1, C, H, W] that `conv` correlates, and the size of a kernel."""
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
            "an engine for this network tracks one target at a time: use --max-targets 1"
        )
    (search, _), (kernels, (*_, rows, columns)) = operands
    return search, kernels, rows, columns


def _reshape(node: NodeProto, sides: Any) -> Iterator[NodeProto]:
    """The Reshape with its first size kept from the input (0)."""
    name = f"{node.output[0]}/sides"
    yield constant(name, [0, *sides[1:]])
    yield make_node("Reshape", [node.input[0], name], node.output[0])


def _resize(node: NodeProto, sizes: Any) -> Iterator[NodeProto]:
    """The Resize with its first size taken from the input."""
    base = node.output[0]
    yield make_node("Shape", [node.input[0]], f"{base}/shape")
    yield constant(f"{base}/first", [0])
    yield make_node("Gather", [f"{base}/shape", f"{base}/first"], f"{base}/batch")
    yield constant(f"{base}/others", sizes[1:])
    yield make_node("Concat", [f"{base}/batch", f"{base}/others"], f"{base}/sizes", axis=0)
    resize = NodeProto()
    resize.CopyFrom(node)
    resize.input[3] = f"{base}/sizes"
    yield resize


def _used(nodes: list[NodeProto], wanted: set[str]) -> list[NodeProto]:
    """The `nodes`, in topological order, on which the outputs `wanted` depend."""
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted = wanted.union(node.input)
    return kept[::-1]
