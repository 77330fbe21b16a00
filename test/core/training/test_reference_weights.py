"""Reference weights: outputs equal those of the reference implementation, and wrong files are refused."""

import argparse
import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from siammaskpp_core.cli.import_weights import add_arguments
from siammaskpp_core.cli.main import main
from siammaskpp_core.model.folder import ModelError
from siammaskpp_core.training.reference_weights import CHOICES, import_weights, looks_like

REFERENCES = Path(__file__).parents[1].joinpath("references")
_spec = importlib.util.spec_from_file_location("recipe", REFERENCES / "recipe.py")
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)

TOLERANCE = 1e-5


@cache
def reference(name):
    with np.load(REFERENCES / f"{name}.npz") as file:
        return dict(file)


def reference_weights(name):
    """The state dict that the reference implementation saves, made without its code."""
    numbers = reference(name)
    shapes = [tuple(int(side) for side in text.split(",") if side) for text in numbers["shapes"]]
    return recipe.seeded_weights(numbers["names"].tolist(), shapes)


@pytest.fixture
def checkpoint(tmp_path):
    """Save a reference network's weights as its training code does on several GPUs."""

    def save(name, change=lambda weights: None):
        weights = reference_weights(name)
        change(weights)
        path = tmp_path / f"{name}.pth"
        state = {f"module.{key}": value for key, value in weights.items()}
        torch.save({"epoch": 20, "arch": "Custom", "state_dict": state}, path)
        return path

    return save


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe.REFERENCES)
def test_the_outputs_equal_the_reference(checkpoint, name):
    """The difference is at most 1e-5 at several cells, in float32 without folding of batch norms."""
    numbers = reference(name)
    model, _ = import_weights(checkpoint(name), recipe.REFERENCES[name][0])
    template, search = recipe.seeded_pictures()
    with torch.no_grad():
        response, features = model.search(search, model.template(template))
        step = recipe.RESPONSE_STEP
        own = {"cls": response.cls[..., ::step, ::step], "loc": response.loc[..., ::step, ::step]}
        if model.mask is not None:
            rows, columns = torch.tensor(recipe.CELLS).unbind(1)
            batch = torch.zeros(len(recipe.CELLS), dtype=torch.int64)
            step = recipe.COARSE_STEP
            vectors = response.mask[batch, :, rows, columns][..., None, None]
            own["coarse"] = model.mask_vector(vectors).view(-1, 63, 63)[:, ::step, ::step]
            step = recipe.MASK_STEP
            own["mask"] = model.masks_at(response, features, batch, rows, columns)[:, 0, ::step, ::step]
    assert own.keys() == numbers.keys() - {"names", "shapes"}
    for key, value in own.items():
        difference = float(np.abs(value.numpy() - numbers[key]).max())
        assert numbers[key].std() > 0.01, f"{key} says nothing"
        assert difference <= TOLERANCE, f"{key} differs by {difference:.1e}"


@pytest.mark.slow
def test_import_makes_a_model_folder_that_tracks(checkpoint, tmp_path, capsys):
    """The folder has torch weights and ONNX graphs, and every installed runtime agrees with torch."""
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.model.checkpoint import load_checkpoint

    pytest.importorskip("onnx")
    folder = tmp_path / "model"
    arguments = ["--as", "pysot-siammask", "--output", str(folder)]
    assert main(["import-weights", str(checkpoint("siammask_r50_l3")), *arguments]) == 0
    assert "onnxruntime: largest relative difference to torch" in capsys.readouterr().out
    tracker = load_tracker(folder)
    assert tracker.config.window_influence == 0.41
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    *_, result = tracker.init(image, (100, 80, 60, 50))
    assert result.mask.shape == (240, 320)
    assert np.isfinite(result.box_xywh).all()
    model, tracking = load_checkpoint(folder / "weights.pt")
    assert model.config.refine_input == "correlation"
    assert tracking == tracker.config


@pytest.mark.parametrize("name", recipe.REFERENCES)
def test_a_file_is_recognised(name):
    weights = dict.fromkeys(reference(name)["names"].tolist())
    assert looks_like(weights) == recipe.REFERENCES[name][0]
    assert looks_like(dict.fromkeys(["conv1.weight", "bn.weight"])) is None


def test_a_wrong_choice_says_the_right_one(checkpoint):
    path = checkpoint("siamrpn_r50_l234")
    with pytest.raises(ModelError, match=r"not .* --as siammask: .* looks like .* --as pysot-siamrpn"):
        import_weights(path, "siammask")
    with pytest.raises(ModelError, match=r"torchvision-resnet50: .*missing.* --as pysot-siamrpn"):
        import_weights(path, "torchvision-resnet50")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("rpn_head.rpn3.cls.head.0.weight"), r"1 names are missing.*rpn3\.cls\.head\.0"),
        (lambda w: w.update({"rpn_head.rpn5.x": torch.zeros(1)}), r"1 names are unexpected.*rpn5\.x"),
        (lambda w: w.update({"rpn_head.cls_weight": torch.zeros(4)}), "size mismatch for cls.level_logits"),
    ],
)
def test_a_damaged_file_is_refused(checkpoint, change, message):
    with pytest.raises(ModelError, match=message) as caught:
        import_weights(checkpoint("siamrpn_r50_l234", change), "pysot-siamrpn")
    assert "may be damaged or incomplete" in str(caught.value)


class Spy:
    ran = False

    def __reduce__(self):
        return (setattr, (Spy, "ran", True))


def test_a_file_cannot_run_code(tmp_path):
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": {"a": torch.zeros(1)}, "note": Spy()}, path)
    with pytest.raises(ModelError, match="could run foreign code"):
        import_weights(path, "siammask")
    assert not Spy.ran


def test_files_that_are_no_checkpoints(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        import_weights(tmp_path / "absent.pth", "siammask")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(ModelError, match="not a state dict"):
        import_weights(tmp_path / "list.pth", "siammask")


def test_torchvisions_backbone_starts_a_training(tmp_path):
    from torchvision.models import resnet50

    published = resnet50()
    torch.save(published.state_dict(), tmp_path / "resnet50.pth")
    model, _ = import_weights(tmp_path / "resnet50.pth", "torchvision-resnet50")
    own = model.backbone.stages[4].layer4[2].conv3.weight
    assert torch.equal(own, published.layer4[2].conv3.weight)
    assert model.config.pixels == "normalised"


def test_the_command_knows_every_layout():
    parser = argparse.ArgumentParser()
    add_arguments(parser.add_subparsers())
    for choice in CHOICES:
        options = ["import-weights", "file", "--as", choice, "--output", "folder"]
        assert parser.parse_args(options).layout == choice
