"""Learning-rate schedules, and training configurations."""

from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("torch")

from siammaskpp_core.config import ConfigError, from_mapping
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.experiment import read_experiment
from siammaskpp_core.training.stages import lr_factor, unfreezing_step

NETWORKS = Path(__file__).parents[3] / "config" / "networks"


def test_cosine():
    config = TrainingConfig(steps=100, warmup_fraction=0.1, final_lr_factor=0.02)
    rates = [lr_factor(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.51)  # half way down
    assert rates[100] == pytest.approx(0.02)
    assert all(b <= a for a, b in pairwise(rates[10:]))


def test_the_papers_rates():
    """5 epochs rise from 0.001 to 0.005, then 15 epochs fall exponentially to 0.0025."""
    config = read_experiment(NETWORKS / "siammaskpp_base.yaml").training
    assert config.steps * config.batch_size == 20 * 300_000
    epoch = 300_000 // config.batch_size
    rates = [config.learning_rate * lr_factor(step, config) for step in range(0, config.steps, epoch)]
    assert rates[:5] == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.005])
    assert rates[5:] == pytest.approx([0.005 * 0.5 ** (k / 14) for k in range(15)])
    assert rates[19] == pytest.approx(0.0025)
    for number, rate in enumerate(rates):  # the same rate from the first to the last step of an epoch
        last = (number + 1) * epoch - 1
        assert config.learning_rate * lr_factor(last, config) == rate
    assert unfreezing_step(config) == 10 * epoch
    assert config.backbone_lr_factor == 0.1


@pytest.mark.parametrize("stage", ["bi", "re"])
def test_the_papers_mask_stages(stage):
    experiment = read_experiment(NETWORKS / f"siammaskpp_{stage}.yaml")
    network, config = experiment.network, experiment.training
    assert (network.mask, config.stage) == (stage, stage)
    assert config.steps * config.batch_size == 20 * 200_000
    epoch = config.steps // 20
    rates = [config.learning_rate * lr_factor(step, config) for step in range(0, config.steps, epoch)]
    assert rates == pytest.approx([0.005 * 0.5 ** (k / 19) for k in range(20)])
    assert (config.mask_weight, config.search_shift, config.negative_probability) == (36, 8, 0)
    base = read_experiment(NETWORKS / "siammaskpp_base.yaml").network
    assert {**vars(network), "mask": "bi"} == vars(base)


def test_the_papers_losses_and_search():
    config = read_experiment(NETWORKS / "siammaskpp_base.yaml").training
    assert (config.cls_weight, config.loc_weight, config.mask_weight) == (1.0, 1.2, 36.0)
    assert (config.search_shift, config.search_scale_jitter, config.blur_probability) == (64, 0.18, 0.18)
    assert (config.grayscale_probability, config.negative_probability) == (0.25, 0.2)
    assert config.anchor_sampling == "random"


@pytest.mark.parametrize(("share", "step"), [(1.0, 40), (0.5, 20), (0.0, 0)])
def test_the_backbone_begins_to_learn(share, step):
    assert unfreezing_step(TrainingConfig(steps=40, unfreeze_at=share)) == step


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sources": ["masks:a", "masks:b"]}, "one weight for each"),
        ({"source_weights": [0.0]}, "not all zero"),
        ({"negative_probability": 1.5}, "outside"),
        ({"negativ_probability": 0.5}, "unknown key"),
        ({"pretrained": False}, "learns from the start"),
        ({"stage": "re", "unfreeze_at": 0.5}, "does not learn in the stage re"),
    ],
)
def test_wrong_training_configurations(values, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(TrainingConfig, values)


@pytest.mark.parametrize("path", sorted(NETWORKS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configurations_are_valid(path):
    experiment = read_experiment(path)
    network, config = experiment.network, experiment.training
    assert config.stage in ("base", "boxes", network.mask)
