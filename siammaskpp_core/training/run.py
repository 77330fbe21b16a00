"""`siammaskpp train`: from a configuration file to a checkpoint, a log and its curves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from siammaskpp_core.training.experiment import read_experiment
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
    memory_bytes: int = 0,
) -> None:
    """Train the network of the YAML file `config` on the folder `data`, or go on with the run in `output`.

    `steps` replaces the number in the file, `init` is the checkpoint of the stage before, `workers` make
    the pairs of each process and keep up to `memory_bytes` of decoded pictures each. Leaves
    `checkpoint.pt`, `log.jsonl`, `tensorboard/` and `curves.png`.
    """
    experiment = read_experiment(config)
    training = experiment.training if steps is None else replace(experiment.training, steps=steps)
    trainer = Trainer(
        experiment.network,
        training,
        data,
        output,
        tracking=experiment.tracking,
        init=init,
        workers=workers,
        memory_bytes=memory_bytes,
    )
    trainer.run()
    if trainer.fabric.is_global_zero:
        draw_curves(output / LOG, output / "curves.png")
