"""Quantisation of model folders to int8."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

onnx = pytest.importorskip("onnx")

from siammaskpp_core.cli import main as cli
from siammaskpp_core.engines.difference import DifferenceError
from siammaskpp_core.engines.export import quantise as module
from siammaskpp_core.engines.export.quantise import QuantisationError, check, crop_pairs, quantise_model
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine
from siammaskpp_core.engines.options import CPU_ENGINES, EngineOptions
from siammaskpp_core.io.video import VideoWriter
from siammaskpp_core.model.folder import ModelError, read_model

SIZE = (160, 120)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """A video of twelve frames of smooth noise."""
    import cv2

    path = tmp_path_factory.mktemp("video") / "noise.avi"
    rng = np.random.default_rng(0)
    with VideoWriter(path, SIZE, 10) as writer:
        for _ in range(12):
            coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
            writer.write(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC))
    return path


def saturates_int8_products() -> bool:
    """Whether this is an x86 processor without VNNI: its sums of uint8 times int8 saturate at 16 bits."""
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8") if cpu.is_file() else ""
    return "avx2" in flags and not re.search(r"\bavx(512)?_vnni\b", flags)


@pytest.fixture(scope="module")
def quantised(video, tmp_path_factory) -> Path:
    if saturates_int8_products():
        pytest.skip("needs a processor with VNNI: others saturate int8 products, which the check refuses")
    output = tmp_path_factory.mktemp("int8") / "model"
    assert cli.main(["quantise", "--calibration", str(video), "--pairs", "8", "--output", str(output)]) == 0
    return output


def test_crops_are_as_many_as_asked_for(video):
    for count in (5, 12, 30):
        pairs = crop_pairs(str(video), count)
        assert len(pairs) == count
        template, search = pairs[0]
        assert template.shape == (127, 127, 3)
        assert search.shape == (255, 255, 3)
        assert template.dtype == search.dtype == np.uint8
    assert len({pair[1].tobytes() for pair in pairs}) == 30, "all differ"


def test_the_model_says_that_it_is_int8_and_is_smaller(quantised):
    model, original = read_model(quantised), read_model(DEFAULT_MODEL)
    assert (original.precision, model.precision) == ("fp32", "int8")
    assert (model.network, model.tracking) == (original.network, original.tracking)
    assert model.graph("search").stat().st_size < 0.4 * original.graph("search").stat().st_size


def test_symmetric_graphs_are_such_as_tensorrt_reads(models):
    """Activations are int8 with zero point 0, and biases stay in float."""
    graph = onnx.load(models("lite int8").graph("search")).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    producers = {output: node for node in graph.node for output in node.output}
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("QuantizeLinear") > 20
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert constants[node.input[2]].dtype == np.int8
            assert not constants[node.input[2]].any()
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    for node in convolutions:
        if len(node.input) > 2:
            assert constants[node.input[2]].dtype == np.float32
    weights = [producers.get(node.input[1]) for node in convolutions]
    quantised_weights = [node for node in weights if node is not None and node.op_type == "DequantizeLinear"]
    assert all(constants[node.input[1]].ndim == 1 for node in quantised_weights), "by channel"
    assert len(quantised_weights) > 0.7 * len(convolutions)


@pytest.mark.parametrize("name", CPU_ENGINES)
def test_answers_are_near_those_in_float(quantised, video, name):
    pytest.importorskip(name)
    engine = load_engine(read_model(quantised), EngineOptions(name))
    differences = check(load_engine(read_model(DEFAULT_MODEL)), engine, crop_pairs(str(video), 4))
    assert set(differences) == {"cls", "loc", "mask"}
    assert 0 < max(differences.values()) < module.TOLERANCE


def test_another_network_does_not_pass_for_its_twin(quantised, video):
    """Halving all probabilities is a relative difference of about 0.5."""
    original = load_engine(read_model(DEFAULT_MODEL))
    wrong = load_engine(read_model(DEFAULT_MODEL))
    refine = wrong.refine
    wrong.refine = lambda outputs, cells: 0.5 * refine(outputs, cells)
    with pytest.raises(DifferenceError, match=r"differs from float .*: mask by 0\.50;"):
        check(original, wrong, crop_pairs(str(video), 4))


def test_failures_leave_nothing_behind(models, video, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TOLERANCE", 1e-6)
    with pytest.raises(DifferenceError):
        quantise_model(models("small").folder, tmp_path / "int8", crop_pairs(str(video), 4))
    assert list(tmp_path.iterdir()) == []


def test_wrong_models_and_too_few_crops(quantised, video, tmp_path, capsys):
    with pytest.raises(ModelError, match="quantised already"):
        quantise_model(quantised, tmp_path / "twice", crop_pairs(str(video), 4))
    with pytest.raises(QuantisationError, match="3 pairs of crops are too few"):
        quantise_model(DEFAULT_MODEL, tmp_path / "few", crop_pairs(str(video), 3))
    assert list(tmp_path.iterdir()) == []
    assert cli.main(["quantise", "--calibration", "no.mp4", "--output", str(tmp_path / "a")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_an_unknown_precision_of_a_model(quantised, tmp_path):
    import shutil

    folder = shutil.copytree(quantised, tmp_path / "model")
    content = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(yaml.safe_dump({**content, "precision": "int4"}))
    with pytest.raises(ModelError, match="'int4' is not one of fp32, int8"):
        read_model(folder)
