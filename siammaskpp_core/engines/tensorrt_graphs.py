"""What TensorRT builds: a model folder's graphs in the wanted precision, for one or several targets."""

from __future__ import annotations

import onnx
from onnx import ModelProto, TensorProto, helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from siammaskpp_core.engines.graphs import Model
from siammaskpp_core.engines.onnx_batch import rename_input, with_dynamic_batch
from siammaskpp_core.engines.onnx_windows import with_windows
from siammaskpp_core.engines.protocol import ModelError

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
