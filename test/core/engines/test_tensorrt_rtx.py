"""Every graph through TensorRT's own parser and builder (TensorRT for RTX needs no GPU); types of the API.

The engines cannot run here: the kernels are chosen on the GPU.
"""

import importlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from siammaskpp_core.engines import tensorrt
from siammaskpp_core.engines.load import DEFAULT_MODEL
from siammaskpp_core.model.folder import read_model
from siammaskpp_core.network.protocol import EngineError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Timing cache operations are no-ops:DeprecationWarning"),
]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def builder(monkeypatch):
    """The module tensorrt.builder, with TensorRT for RTX in the place of TensorRT."""
    rtx = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu12")
    monkeypatch.setitem(sys.modules, "tensorrt", rtx)
    names = ("builder", "library")
    for name in names:  # a package remembers its modules, too
        monkeypatch.delitem(sys.modules, f"siammaskpp_core.engines.tensorrt.{name}", raising=False)
        monkeypatch.delattr(tensorrt, name, raising=False)
    module = importlib.import_module("siammaskpp_core.engines.tensorrt.builder")
    assert module.trt is rtx
    yield module
    for name in names:
        sys.modules.pop(f"siammaskpp_core.engines.tensorrt.{name}", None)
        vars(tensorrt).pop(name, None)


@pytest.mark.parametrize(
    ("name", "precision", "max_targets"),
    [
        ("lite", "fp32", 1),
        ("lite", "fp16", 4),
        ("lite int8", "int8", 1),
        ("lite int8", "int8", 4),
        ("narrow resnet50", "fp16", 4),
        ("narrow resnet50 int8", "int8", 4),
        ("siammaskpp_re", "fp16", 1),
        ("up_channel", "fp16", 1),
        ("coarse masks", "fp32", 3),
    ],
)
def test_all_graphs_are_built(builder, models, name, precision, max_targets):
    from siammaskpp_core.engines.tensorrt.graphs import prepared_graphs

    model = models(name)
    graphs = prepared_graphs(model, precision, max_targets)
    engines = builder.build(graphs, precision, max_targets)
    assert set(engines) == set(model.graphs)
    for graph in set(model.graphs) - {"template"}:  # whose int8 twin is in float
        kinds = convolution_types(sys.modules["tensorrt"], graphs[graph], precision == "int8")
        assert kinds == {"fp32": {"FLOAT"}, "fp16": {"HALF"}, "int8": {"INT8"}}[precision], graph


def convolution_types(trt, graph, quantised):
    """Types in which TensorRT computes convolutions; for `quantised` ones the types before dequantisation."""
    logger = trt.Logger(trt.Logger.ERROR)
    network = trt.Builder(logger).create_network(0)
    assert trt.OnnxParser(network, logger).parse(graph)
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    kind = "DEQUANTIZE" if quantised else "CONVOLUTION"
    chosen = [layer for layer in layers if layer.type.name == kind]
    tensors = [layer.get_input(0) if quantised else layer.get_output(0) for layer in chosen]
    return {tensor.dtype.name for tensor in tensors}


def test_what_tensorrt_says_about_a_graph_it_cannot_build(builder):
    """A graph in which another operator than Cast reads bytes, as without preparation."""
    with pytest.raises(EngineError, match=r"(?s)template\.onnx: TensorRT cannot read it: .*UInt8"):
        builder.build({"template": read_model(DEFAULT_MODEL).graph("template").read_bytes()}, "fp32", 1)


def test_engine_code_fits_the_types_of_tensorrt(tmp_path):
    """mypy accepts the code with the published stubs of TensorRT 10, which the ordinary run leaves out."""
    pytest.importorskip("mypy")
    options = ["download", "--quiet", "--no-deps", "--dest", str(tmp_path), "tensorrt-stubs"]
    fetched = subprocess.run([sys.executable, "-m", "pip", *options], capture_output=True, text=True)
    wheels = list(tmp_path.glob("*.whl"))
    if fetched.returncode or not wheels:
        pytest.skip("pip cannot fetch tensorrt-stubs")
    stubs = tmp_path / "stubs"
    zipfile.ZipFile(wheels[0]).extractall(stubs)
    types = stubs / "tensorrt_bindings" / "tensorrt.pyi"
    # The published stubs are not valid Python: a parameter is named `in`, and one lacks its default.
    text = re.sub(r"\bin: ", "in_: ", types.read_text(encoding="utf-8"))
    types.write_text(text.replace("channel_axis: int)", "channel_axis: int = ...)"), encoding="utf-8")
    # The ordinary configuration, but for TensorRT's entry in the modules whose types are not looked at.
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"tensorrt.*", ' in text
    config = tmp_path / "pyproject.toml"
    config.write_text(text.replace('"tensorrt.*", ', ""), encoding="utf-8")
    folder = ROOT / "siammaskpp_core/engines/tensorrt"
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), str(folder)]
    environment = {**os.environ, "MYPYPATH": str(stubs)}
    checked = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert "errors prevented further checking" not in checked.stdout, checked.stdout
    assert "siammaskpp_core/" not in checked.stdout, checked.stdout
    assert f"{len(list(folder.glob('*.py')))} source files" in checked.stdout, checked.stdout


def test_everything_that_is_used_is_in_tensorrt_for_rtx():
    """RTX 1.x has the interface of TensorRT 11, without precision flags and bindings."""
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu12")
    used = {
        trt.ICudaEngine: "num_io_tensors get_tensor_name get_tensor_mode get_tensor_shape get_tensor_dtype "
        "get_tensor_profile_shape create_execution_context",
        trt.IExecutionContext: "set_input_shape set_tensor_address execute_async_v3",
        trt.IBuilderConfig: "set_memory_pool_limit add_optimization_profile create_timing_cache "
        "set_timing_cache get_timing_cache clear_flag set_flag progress_monitor",
        trt.Builder: "create_network create_builder_config create_optimization_profile "
        "build_serialized_network",
        trt.OnnxParser: "parse num_errors get_error",
        trt.Runtime: "deserialize_cuda_engine",
    }
    missing = [
        f"{kind.__name__}.{name}"
        for kind, names in used.items()
        for name in names.split()
        if not hasattr(kind, name)
    ]
    assert missing == []
