"""`siammaskpp train`: from a configuration file to a checkpoint, a log and its curves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from siammaskpp_core.config import ConfigError, from_mapping, load_yaml
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.record import LOG, draw_curves
from siammaskpp_core.training.trainer import Trainer


def train(
    config: Path,
    data: Path,
    output: Path,
    *,
    steps: int | None = None,
    init: Path | None = None,
    workers: int = 1,
) -> None:
    """Train the network of the YAML file `config` on the folder `data`, or go on with the run in `output`.

    `steps` replaces the number in the file, `init` is the checkpoint of the stage before, `workers` make
    the pairs of each process. Leaves `checkpoint.pt`, `log.jsonl`, `tensorboard/` and `curves.png`.
    """
    network, training = read_training(config)
    if steps is not None:
        training = replace(training, steps=steps)
    trainer = Trainer(network, training, data, output, init=init, workers=workers)
    trainer.run()
    if trainer.fabric.is_global_zero:
        draw_curves(output / LOG, output / "curves.png")


def read_training(path: Path) -> tuple[NetworkConfig, TrainingConfig]:
    """The network and the training of a YAML file with these two sections."""
    content = load_yaml(path)
    unknown = sorted(set(content) - {"network", "training"})
    if unknown or "network" not in content or "training" not in content:
        raise ConfigError(f"{path}: the sections `network` and `training` are expected, not {list(content)}")
    return (
        from_mapping(NetworkConfig, content["network"], f"{path}: network"),
        from_mapping(TrainingConfig, content["training"], f"{path}: training"),
    )
