"""`siammaskpp train`: from a configuration file to a checkpoint, a log and its curves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from siammaskpp_core.config import ConfigError, from_mapping, load_yaml
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.trainer import LOG, Trainer

CURVES = {"cls": "classification loss", "loc": "box loss", "mask": "mask loss", "iou": "mask overlap"}


def train(config: Path, data: Path, output: Path, steps: int | None = None) -> None:
    """Train the network of the YAML file `config` on the folder `data`, or go on with the run in `output`.

    `steps` replaces the number in the file. Leaves `checkpoint.pt`, `log.jsonl` and `curves.png`.
    """
    network, training = read_training(config)
    if steps is not None:
        training = replace(training, steps=steps)
    trainer = Trainer(network, training, data, output)
    if trainer.step:
        print(f"going on at step {trainer.step} of {training.steps} in {output}")
    trainer.run()
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


def draw_curves(log: Path, picture: Path) -> None:
    """Draw the losses of a training log, averaged over 50 steps, to a PNG."""
    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(10, 6), layout="constrained")
    for axes, (key, title) in zip(figure.subplots(2, 2).flat, CURVES.items(), strict=True):
        steps, values = np.array([(line["step"], line[key]) for line in lines], dtype=float).T
        window = min(50, len(values))
        smooth = np.convolve(values, np.full(window, 1 / window), mode="valid")
        axes.plot(steps, values, linewidth=0.3, alpha=0.4)
        axes.plot(steps[window - 1 :], smooth)
        axes.set(title=title, xlabel="step", ylim=(0, float(np.nanpercentile(values, 99)) * 1.05))
        axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=100)
