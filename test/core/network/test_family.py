"""Every network of the configurations can be built, trained and exported, and tracks.

Heads and ResNets are narrow, with one block in each stage; test_network.py builds the ResNets as they are.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for _package in ("torchvision", "onnx", "openvino", "lightning_fabric"):
    pytest.importorskip(_package)

from model_folders import narrow_resnets

from siammaskpp_core.config import ConfigError
from siammaskpp_core.engines.export.onnx import write_model
from siammaskpp_core.engines.export.parity import parity
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.evaluation.ablation import read_rows
from siammaskpp_core.network.backbones import Backbone
from siammaskpp_core.training.experiment import read_experiment
from siammaskpp_core.training.trainer import Trainer

CONFIG = Path(__file__).parents[3] / "config"
SMALL = {"head_channels": 8, "refine_channels": (8, 4, 2)}


def small(network):
    mask_channels = 225 if network.mask == "bi" else 16
    return replace(network, mask_channels=mask_channels, **SMALL)


def family():
    """All different networks of the configurations and of the rows of ablations, by name."""
    named = {path.stem: read_experiment(path) for path in sorted((CONFIG / "networks").glob("*.yaml"))}
    for path in sorted((CONFIG / "ablations").glob("*.yaml")):
        for row in read_rows(path):
            named.setdefault(row.name, row.stages[-1])
    different = {}
    for name, experiment in named.items():
        different.setdefault(small(experiment.network), (name, experiment))
    return [pytest.param(experiment, id=name) for name, experiment in different.values()]


@pytest.mark.usefixtures("plain_frozen_backbone")
@pytest.mark.slow
@pytest.mark.timeout(600)  # it trains, exports and tracks, on any machine
@pytest.mark.parametrize("experiment", family())
def test_every_network_learns_is_exported_and_tracks(
    experiment, training_data, tmp_path, monkeypatch, capsys
):
    narrow_resnets(monkeypatch)
    # torchvision's weights would be downloaded.
    monkeypatch.setattr(Backbone, "load_imagenet", lambda self: None)
    for backbone in Backbone.__subclasses__():
        monkeypatch.setattr(backbone, "load_imagenet", lambda self: None)
    source = {"sources": ("masks:stills",), "source_weights": (1.0,), "source_frame_ranges": (0,)}
    training = replace(experiment.training, stage="base", steps=1, batch_size=2, save_every=1, **source)
    if not training.pretrained:
        training = replace(training, pretrained=True, unfreeze_at=1.0)
    trainer = Trainer(small(experiment.network), training, training_data, tmp_path / "run", workers=0)
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    model = trainer.run()
    learned = {
        name.partition(".")[0]
        for name, value in trainer.model.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert "levels" in learned
    assert "cls" in learned or model.config.correlation == "up_channel"  # whose levels score by themselves
    assert ("loc" in learned) == model.config.has_boxes
    assert ("mask" in learned) == (model.config.mask != "none" and model.config.refine_input == "head")
    assert ("refine" in learned) == (model.config.mask == "re")

    folder = tmp_path / "model"
    folder.mkdir()
    write_model(model, experiment.tracking, folder)
    tracker = load_tracker(folder)
    parity(model, tracker.engine)
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    region, *_ = tracker.init(image, (40, 30, 50, 50))
    ((_, result),) = tracker.step(image, [region])
    assert np.isfinite(result.box_xywh).all()
    assert 0 <= result.confidence <= 1
    assert (result.mask is not None) == (model.config.mask != "none")


def test_an_experiment_may_extend_another(tmp_path):
    (tmp_path / "a.yaml").write_text("network: {head_channels: 32}\ntraining: {steps: 7}\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\nnetwork: {mask: none}\ntracking: {size_lr: 0.5}\n")
    experiment = read_experiment(tmp_path / "b.yaml", {"training": {"seed": 3}})
    assert (experiment.network.head_channels, experiment.network.mask) == (32, "none")
    assert (experiment.training.steps, experiment.training.seed) == (7, 3)
    assert experiment.tracking.size_lr == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: c.yaml\n", "extends itself"),
        ("network: {}\n", "network and training"),
        ("network: {}\ntraining: {}\nmodel: {}\n", "not network, training, model"),
        ("extends: absent.yaml\n", "cannot be read"),
        ("network: [1]\ntraining: {}\n", "network: a mapping"),
        ("network: {heads: 1}\ntraining: {}\n", "unknown key 'heads'"),
    ],
)
def test_wrong_experiments(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_experiment(tmp_path / "c.yaml")
