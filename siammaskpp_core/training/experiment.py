"""Experiments: YAML files with the sections `network`, `training` and `tracking`, and how one is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from siammaskpp_core.config import ConfigError, from_mapping, load_yaml
from siammaskpp_core.io.package_files import NETWORKS, configuration, weights
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.outcome import RESUME, Outcome
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.run_log import LOG, draw_curves
from siammaskpp_core.training.trainer import Trainer

SECTIONS = ("network", "training", "tracking")
EXTENDS = "extends"


@dataclass(frozen=True)
class Experiment:
    """A network, its training, and the tracking parameters that are exported with it."""

    network: NetworkConfig
    training: TrainingConfig
    tracking: TrackingConfig


def train(
    config: Path,
    data: Path,
    output: Path,
    *,
    steps: int | None = None,
    init: Path | None = None,
    workers: int = 1,
    cache_bytes: int = 0,
) -> Outcome:
    """Train the experiment in the YAML file `config` on the folder `data`, or resume the run in `output`.

    `config` may also be the name of a configuration of the package, such as ``lite``. `steps` replaces the
    number in the file. `init` is the checkpoint of the previous stage, or the name of a model of the package,
    whose weights are taken. Each process has `workers` that make its pairs, and each worker keeps up to
    `cache_bytes` of decoded images. Leaves `checkpoint.pt`, `log.jsonl`, `tensorboard/` and `curves.png` in
    `output`. The outcome names the files of the sources that cannot be used. Ctrl-C leaves a run that the
    same call continues.
    """
    experiment = read_experiment(config)
    training = experiment.training if steps is None else replace(experiment.training, steps=steps)
    trainer = Trainer(
        experiment.network,
        training,
        data,
        output,
        tracking=experiment.tracking,
        init=weights(init) if init else None,
        workers=workers,
        cache_bytes=cache_bytes,
    )
    trainer.run()
    if trainer.fabric.is_global_zero:
        draw_curves(output / LOG, output / "curves.png")
    left_out = tuple(trainer.left_out)
    if not trainer.is_interrupted:
        return Outcome("", left_out)
    text = f"stopped at step {trainer.step} of {training.steps}: {RESUME}"
    return Outcome(text, left_out, is_interrupted=True)


def read_experiment(path: Path, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Experiment:
    """Read the experiment in a YAML file and apply `changes` to its sections.

    With the key `extends` a file takes over everything from another one and only lists what differs. The
    other one is given relative to the file, or it is a configuration of the package. Raises
    :class:`ConfigError` for unknown sections or keys and for values out of range.
    """
    path = configuration(path, NETWORKS)
    sections = merge(_read_sections(path), changes or {})
    return Experiment(
        from_mapping(NetworkConfig, sections["network"], f"{path}: network"),
        from_mapping(TrainingConfig, sections["training"], f"{path}: training"),
        from_mapping(TrackingConfig, sections["tracking"], f"{path}: tracking"),
    )


def merge(
    sections: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """A copy of `sections` in which the keys of `changes` have their values from there."""
    return {name: {**sections.get(name, {}), **(changes.get(name) or {})} for name in SECTIONS}


def _read_sections(path: Path, extended_by: tuple[Path, ...] = ()) -> dict[str, dict[str, Any]]:
    if path.resolve() in extended_by:
        raise ConfigError(f"{path}: {EXTENDS}: the file extends itself")
    content = load_yaml(path)
    unknown = sorted(set(content) - {*SECTIONS, EXTENDS})
    if unknown or not (EXTENDS in content or {"network", "training"} <= set(content)):
        raise ConfigError(
            f"{path}: the sections network and training, or {EXTENDS}: FILE, are expected, and optionally "
            f"tracking, not {', '.join(content)}"
        )
    for name in SECTIONS:
        if not isinstance(content.get(name, {}), dict):
            raise ConfigError(f"{path}: {name}: a mapping of keys to values is expected")
    common: dict[str, dict[str, Any]] = {}
    if EXTENDS in content:
        other = path.parent / str(content[EXTENDS])
        if not other.is_file():
            other = configuration(Path(str(content[EXTENDS])), NETWORKS)
        common = _read_sections(other, (*extended_by, path.resolve()))
    return merge(common, {name: content.get(name, {}) for name in SECTIONS})
