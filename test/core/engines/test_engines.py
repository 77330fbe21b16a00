"""Model folders and engines, and the equality of engines with torch."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml
from model_folders import SMALL, SMALL_TRACKING

from siammaskpp_core.config import ConfigError, to_mapping
from siammaskpp_core.engines.graph_engine import cut_window
from siammaskpp_core.engines.load import load_engine, load_tracker
from siammaskpp_core.engines.options import CPU_ENGINES, EngineOptions
from siammaskpp_core.model.folder import ModelError, read_model
from siammaskpp_core.network.protocol import EngineError
from siammaskpp_core.tracking import TrackingConfig


@pytest.fixture
def exported(models):
    return models("small").folder


@pytest.fixture
def model_folder(exported, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(exported, tmp_path / "model")


def engine_of(folder, name):
    pytest.importorskip(name)
    return load_engine(read_model(folder), EngineOptions(name))


@pytest.mark.parametrize("name", CPU_ENGINES)
def test_parity_with_torch(network, exported, name):
    from siammaskpp_core.engines.export.parity import parity

    differences = parity(network, engine_of(exported, name))
    assert len(differences) == 1 + 6 + 1
    assert max(differences.values()) < 1e-3


def test_relative_difference_by_hand():
    from siammaskpp_core.engines.difference import relative_difference

    reference = np.array([1.0, -4.0], np.float32)
    assert relative_difference(reference + np.float32(0.5), reference) == 0.125
    zeros = np.zeros(2, np.float32)  # a response may be so
    assert relative_difference(zeros, zeros) == 0
    assert relative_difference(zeros + np.float32(1e-6), zeros) > 1e6
    assert np.isnan(relative_difference(zeros * np.nan, reference))


def test_parity_fails_loudly(network, exported):
    """A network with other weights must not pass for the exported one."""
    import copy

    from siammaskpp_core.engines.difference import DifferenceError
    from siammaskpp_core.engines.export.parity import parity

    other = copy.deepcopy(network)
    other.loc.heads[0][3].bias.data += 0.1
    with pytest.raises(DifferenceError, match=r"onnxruntime differs .* search\[1\]"):
        parity(other, engine_of(exported, "onnxruntime"))


@pytest.mark.parametrize("name", CPU_ENGINES)
def test_refine_cuts_the_windows_that_torch_cuts(network, exported, name):
    """This includes the border, where windows reach outside the map."""
    import torch

    engine = engine_of(exported, name)
    rng = np.random.default_rng(0)
    template = rng.integers(0, 256, (1, 127, 127, 3), dtype=np.uint8)
    search = rng.integers(0, 256, (1, 255, 255, 3), dtype=np.uint8)
    kernels = engine.encode_template(template)
    outputs = engine.search(search, list(kernels)) * 3
    cells = [(0, 24), (12, 12), (20, 1)]
    masks = engine.refine(outputs, cells)
    with torch.no_grad():
        response, features = network.search(torch.from_numpy(search), torch.from_numpy(kernels))
        rows, columns = torch.tensor(cells).unbind(1)
        expected = network.masks_at(response, features, torch.zeros(3, dtype=torch.int64), rows, columns)
    np.testing.assert_allclose(masks, expected.sigmoid()[:, 0].numpy(), atol=1e-3)


def test_cut_window_inside_copies_nothing_else():
    x = np.arange(2 * 31 * 31, dtype=np.float32).reshape(2, 31, 31)
    window = np.full((2, 15, 15), np.nan, np.float32)
    cut_window(x, 10, 6, 1, out=window)
    np.testing.assert_array_equal(window, x[:, 6:21, 2:17])


@pytest.mark.parametrize("name", CPU_ENGINES)
def test_answers_of_one_call_do_not_overwrite_each_other(exported, name):
    engine = engine_of(exported, name)
    rng = np.random.default_rng(1)
    crops = rng.integers(0, 256, (2, 255, 255, 3), dtype=np.uint8)
    kernels = list(engine.encode_template(crops[:, :127, :127].copy()))
    both = engine.search(crops, kernels)
    alone = engine.search(crops[:1], kernels[:1])[0]
    np.testing.assert_array_equal(both[0].cls, alone.cls)
    assert not np.array_equal(both[0].cls, both[1].cls)


@pytest.mark.parametrize("name", ["template", "search", "refine"])
def test_all_sizes_of_a_graph_are_written_in_it(exported, name):
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(str(exported / f"{name}.onnx")).graph
    for value in (*graph.input, *graph.output):
        assert all(dimension.dim_value for dimension in value.type.tensor_type.shape.dim), value.name


def test_description_comes_back(exported):
    model = read_model(exported)
    assert model.network == SMALL
    assert model.tracking == SMALL_TRACKING


def test_a_tracker_from_a_folder(exported):
    tracker = load_tracker(exported)
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    region, *_ = tracker.init(image, (40, 30, 50, 50))
    ((_, result),) = tracker.step(image, [region])
    assert result.mask.shape == (120, 160)
    assert 0 <= result.confidence <= 1


def test_the_kind_of_rotated_box_can_be_chosen(exported):
    assert load_tracker(exported).config == SMALL_TRACKING
    chosen = load_tracker(exported, rotated_box="ellipse").config
    assert chosen == replace(SMALL_TRACKING, rotated_box="ellipse")
    with pytest.raises(ConfigError, match="'round' is not one of min_area, ellipse"):
        load_tracker(exported, rotated_box="round")


def test_missing_folder(tmp_path):
    with pytest.raises(ModelError, match="not a model folder"):
        read_model(tmp_path / "nothing")


def test_missing_graph(model_folder):
    (model_folder / "search.onnx").unlink()
    with pytest.raises(ModelError, match=r"search\.onnx is missing"):
        read_model(model_folder)


def test_damaged_graph(model_folder):
    path = model_folder / "refine.onnx"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"refine\.onnx is damaged"):
        read_model(model_folder)


@pytest.mark.parametrize("name", CPU_ENGINES)
def test_a_file_that_is_no_graph(model_folder, name):
    """The digest in model.yaml is right, so the runtime has to refuse the file."""
    from siammaskpp_core.model.folder import write_description

    pytest.importorskip(name)
    (model_folder / "template.onnx").write_bytes(b"not a graph")
    write_description(model_folder, SMALL, TrackingConfig())
    with pytest.raises(ModelError, match=r"template\.onnx"):
        load_engine(read_model(model_folder), EngineOptions(name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["tracking"].update(penalty=1.0), "unknown key 'penalty'"),
        (lambda d: d["tracking"].update(penalty_k=7.0), "outside"),
        (lambda d: d["network"].update(backbone="vgg"), "not one of"),
        (lambda d: d.pop("network"), "'network' is missing"),
        (lambda d: d["sha256"].pop("refine"), "'refine' is missing"),
    ],
)
def test_wrong_descriptions(model_folder, change, message):
    path = model_folder / "model.yaml"
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ModelError, match=message):
        read_model(model_folder)


def test_description_that_is_not_yaml(model_folder):
    (model_folder / "model.yaml").write_text("network: [")
    with pytest.raises(ModelError, match="not valid YAML"):
        read_model(model_folder)


@pytest.mark.parametrize(
    ("name", "remedy"), [("onnxruntime", "pip install onnx"), ("openvino", "pip install")]
)
def test_missing_runtime_says_what_to_install(exported, monkeypatch, name, remedy):
    monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(EngineError, match=remedy):
        load_engine(read_model(exported), EngineOptions(name))


def test_a_foreign_checkpoint(tmp_path):
    torch = pytest.importorskip("torch")
    from siammaskpp_core.model.checkpoint import load_checkpoint

    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "other.pt")
    with pytest.raises(ModelError, match="cannot be read"):
        load_checkpoint(tmp_path / "absent.pt")


def test_the_mean_of_several_weights(network, exported, tmp_path):
    import torch

    from siammaskpp_core.model.checkpoint import WEIGHTS, load_mean

    state = torch.load(exported / WEIGHTS, weights_only=True)
    other = {name: 3 * v if v.is_floating_point() else v + 8 for name, v in state["model"].items()}
    torch.save({**state, "tracking": {"penalty_k": 0.01}, "model": other}, tmp_path / "other.pt")
    mean, tracking = load_mean([exported / WEIGHTS, tmp_path / "other.pt"])
    assert tracking == SMALL_TRACKING  # the first one's
    for name, value in mean.state_dict().items():
        expected = network.state_dict()[name]
        torch.testing.assert_close(value, 2 * expected if value.is_floating_point() else expected)


def test_no_mean_of_different_networks(exported, tmp_path):
    import torch

    from siammaskpp_core.model.checkpoint import WEIGHTS, load_mean
    from siammaskpp_core.network.siammaskpp import SiamMaskPP

    larger = replace(SMALL, head_channels=2 * SMALL.head_channels)
    state = {"network": to_mapping(larger), "tracking": {}, "model": SiamMaskPP(larger).state_dict()}
    torch.save(state, tmp_path / "larger.pt")
    with pytest.raises(ModelError, match=r"larger\.pt is of another network than .*weights\.pt"):
        load_mean([exported / WEIGHTS, tmp_path / "larger.pt"])
