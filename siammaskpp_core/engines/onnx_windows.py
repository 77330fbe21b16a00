"""The refine graph with its windows cut inside: it takes what the search graph gave, and positions.

So features stay on the device. Windows are cut by products with matrices of zeros and ones: that copies
values exactly, gives zeros outside the map, takes another position for each target, and needs nothing that
a runtime could treat as a shape.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from siammaskpp_core.engines.graphs import WINDOWS
from siammaskpp_core.engines.onnx_batch import BATCH, constant, rename_input
from siammaskpp_core.network.config import MASK_SIZE


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
