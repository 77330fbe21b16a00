"""The graphs that TensorRT gets, run by ONNX Runtime, give the outputs of the model folder's graphs."""

import numpy as np
import pytest

from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine
from siammaskpp_core.model.folder import ModelError, read_model

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from siammaskpp_core.engines.tensorrt.dynamic_batch import BATCH, with_dynamic_batch
from siammaskpp_core.engines.tensorrt.graphs import prepared_graphs, with_windows


@pytest.fixture(scope="module")
def lite():
    return read_model(DEFAULT_MODEL)


def session(graph) -> "ort.InferenceSession":
    content = graph if isinstance(graph, bytes) else graph.SerializeToString()
    return ort.InferenceSession(content, providers=["CPUExecutionProvider"])


def pictures(count: int, side: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def answers(model, count: int):
    """An engine on the model's own graphs, and crops, kernels and search outputs of `count` targets."""
    engine = load_engine(model)
    crops = pictures(count, 255)
    kernels = engine.encode_template(crops[:, :127, :127].copy())
    outputs = engine.search(crops, list(kernels))
    return engine, crops, kernels, outputs


def close(own, reference, tolerance):
    reference = np.asarray(reference)
    assert own.shape == reference.shape
    assert np.abs(own - reference).max() <= tolerance * np.abs(reference).max()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("max_targets", [1, 3])
def test_the_whole_network_computes_the_same(lite, precision, max_targets):
    """A batch has different targets; the windows of one lie beyond the border of the map."""
    tolerance = {"fp32": 1e-4, "fp16": 0.03}[precision]
    engine, crops, kernels, outputs = answers(lite, max_targets)
    graphs = {name: session(graph) for name, graph in prepared_graphs(lite, precision, max_targets).items()}
    close(graphs["template"].run(None, {"pixels": crops[:, :127, :127]})[0], kernels, tolerance)
    names = [output.name for output in graphs["search"].get_outputs()]
    found = dict(zip(names, graphs["search"].run(None, {"pixels": crops, "kernels": kernels}), strict=True))
    for name, value in found.items():
        close(value, [getattr(output, name) for output in outputs], tolerance)
    # In another order than they were searched in, and one twice.
    rows = [0] if max_targets == 1 else [2, 0, 2]
    cells = [(0, 24), (12, 12), (20, 1)][: len(rows)]
    maps = {name: found[name] for name in ("mask", "stride2", "stride4", "conv3")}
    feeds = {**maps, "rows": np.array(rows, np.int32), "cells": np.array(cells, np.int32)}
    masks = graphs["refine"].run(None, feeds)[0]
    close(masks[:, 0], engine.refine([outputs[row] for row in rows], cells), tolerance)


def test_what_is_fixed_and_what_is_symbolic(lite):
    def batch_sides(graphs, name):
        graph = onnx.load_from_string(graphs[name]).graph
        values = [*graph.input, *graph.output]
        dims = [value.type.tensor_type.shape.dim[0] for value in values]
        return {value.name: dim.dim_param or dim.dim_value for value, dim in zip(values, dims, strict=True)}

    one, four = prepared_graphs(lite, "fp32", 1), prepared_graphs(lite, "fp32", 4)
    for name in ("template", "search", "refine"):
        assert set(batch_sides(one, name).values()) == {1}
    assert set(batch_sides(four, "search").values()) == {BATCH}
    assert batch_sides(four, "refine") == {
        **dict.fromkeys(("mask", "stride2", "stride4", "conv3"), 4),
        **dict.fromkeys(("rows", "cells", "probability"), BATCH),
    }


def test_only_several_targets_need_shifted_products(lite):
    def computed_kernels(graph):
        graph = onnx.load_from_string(graph).graph
        weights = {tensor.name for tensor in graph.initializer}
        return [node for node in graph.node if node.op_type == "Conv" and node.input[1] not in weights]

    grouped = computed_kernels(prepared_graphs(lite, "fp32", 1)["search"])
    assert len(grouped) == 6  # scores with boxes, and masks, at three levels
    # TensorRT up to 10.3 reads the kernel's size from the attribute.
    assert all(any(item.name == "kernel_shape" for item in node.attribute) for node in grouped)
    assert computed_kernels(prepared_graphs(lite, "fp32", 2)["search"]) == []


def test_half_precision_is_in_the_graph(lite):
    graph = onnx.load_from_string(prepared_graphs(lite, "fp16", 1)["search"]).graph
    kinds = {tensor.data_type for tensor in graph.initializer if tensor.dims}
    assert onnx.TensorProto.FLOAT16 in kinds
    assert {value.type.tensor_type.elem_type for value in graph.output} == {onnx.TensorProto.FLOAT}


def test_int8_needs_a_quantised_model(lite):
    with pytest.raises(ModelError, match="siammaskpp quantise"):
        prepared_graphs(lite, "int8", 1)


@pytest.mark.parametrize("kind", ["two branches a level", "coarse masks", "correlation decoded", "no masks"])
def test_the_family_in_batches(kind, models):
    model = models(kind)
    engine, crops, kernels, outputs = answers(model, 2)
    graphs = {name: session(graph) for name, graph in prepared_graphs(model, "fp32", 2).items()}
    names = [output.name for output in graphs["search"].get_outputs()]
    found = dict(zip(names, graphs["search"].run(None, {"pixels": crops, "kernels": kernels}), strict=True))
    for name, value in found.items():
        close(value, [getattr(output, name) for output in outputs], 1e-4)
    if model.network.mask == "none":
        assert "refine" not in graphs
        return
    cells = [(3, 20), (24, 0)]
    inputs = [value.name for value in graphs["refine"].get_inputs()]
    feeds = {name: value for name, value in found.items() if name in inputs}
    feeds |= {"rows": np.array([0, 1], np.int32), "cells": np.array(cells, np.int32)}
    close(graphs["refine"].run(None, feeds)[0][:, 0], engine.refine(outputs, cells), 1e-4)


@pytest.mark.parametrize("kind", ["up_channel", "cross"])
def test_other_correlations_are_for_one_target(kind, models):
    model = models(kind)
    assert set(prepared_graphs(model, "fp32", 1)) == {"template", "search"}
    with pytest.raises(ModelError, match=r"search\.onnx: its correlation .* not depth-wise.*--max-targets 1"):
        prepared_graphs(model, "fp32", 2)


def test_the_given_graphs_stay_as_they_are(lite):
    search = onnx.load(str(lite.graph("search")))
    refine = onnx.load(str(lite.graph("refine")))
    before = search.SerializeToString(), refine.SerializeToString()
    with_windows(refine, with_dynamic_batch(search, "search"), 2)
    assert (search.SerializeToString(), refine.SerializeToString()) == before
