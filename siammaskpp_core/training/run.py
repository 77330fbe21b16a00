"""A training's whole configuration: YAML files with the sections network, training and tracking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from siammaskpp_core.config import ConfigError, from_mapping, load_yaml
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.record import LOG, draw_curves
from siammaskpp_core.training.trainer import Trainer

SECTIONS = ("network", "training", "tracking")
LIKE = "like"


@dataclass(frozen=True)
class Experiment:
    """A network, how it learns, and how it then tracks."""

    network: NetworkConfig
    training: TrainingConfig
    tracking: TrackingConfig


def read_experiment(path: Path, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Experiment:
    """The experiment in a YAML file, with `changes` to its sections.

    A file may name another one as `like`, relative to itself, and changes what it has in common with it.
    Raises :class:`ConfigError` for unknown sections and keys, and values out of range.
    """
    sections = merge(_read_sections(path), changes or {})
    return Experiment(
        from_mapping(NetworkConfig, sections["network"], f"{path}: network"),
        from_mapping(TrainingConfig, sections["training"], f"{path}: training"),
        from_mapping(TrackingConfig, sections["tracking"], f"{path}: tracking"),
    )


def merge(
    sections: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """`sections`, with the values that stand in `changes` instead."""
    return {name: {**sections.get(name, {}), **(changes.get(name) or {})} for name in SECTIONS}


def _read_sections(path: Path, ancestors: tuple[Path, ...] = ()) -> dict[str, dict[str, Any]]:
    if path.resolve() in ancestors:
        raise ConfigError(f"{path}: is like itself, by way of {LIKE}")
    content = load_yaml(path)
    unknown = sorted(set(content) - {*SECTIONS, LIKE})
    if unknown or not (LIKE in content or {"network", "training"} <= set(content)):
        expected = f"the sections network and training, or {LIKE}: another file, and tracking if you wish"
        raise ConfigError(f"{path}: {expected}, are expected, not {', '.join(content)}")
    for name in SECTIONS:
        if not isinstance(content.get(name, {}), dict):
            raise ConfigError(f"{path}: {name}: a mapping of keys to values is expected")
    common: dict[str, dict[str, Any]] = {}
    if LIKE in content:
        common = _read_sections(path.parent / str(content[LIKE]), (*ancestors, path.resolve()))
    return merge(common, {name: content.get(name, {}) for name in SECTIONS})


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
