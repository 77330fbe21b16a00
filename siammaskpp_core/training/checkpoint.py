"""The checkpoint of a run: what is needed to resume it, and what `siammaskpp export` reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from siammaskpp_core.config import ConfigError, to_mapping
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.training.config import TrainingConfig

CHECKPOINT = "checkpoint.pt"


def write_checkpoint(
    folder: Path,
    network: NetworkConfig,
    config: TrainingConfig,
    tracking: TrackingConfig,
    state: dict[str, Any],
) -> None:
    """Write the checkpoint beside the old one, then replace that: a crash never leaves none.

    Raises :class:`~siammaskpp_core.io.outputs.OutputError` when the disk is full; the old one remains.
    """
    with Output(folder / CHECKPOINT) as work, work.open("wb") as file:
        sections = {"network": network, "training": config, "tracking": tracking}
        torch.save({**{name: to_mapping(section) for name, section in sections.items()}, **state}, file)
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(folder: Path, network: NetworkConfig, config: TrainingConfig) -> dict[str, Any] | None:
    """The state of the run in `folder`, or None when there is no checkpoint.

    Raises :class:`ConfigError` when the checkpoint belongs to another network or configuration.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    if state["network"] != to_mapping(network):
        raise ConfigError(f"{path} is of another network; give another --output or remove it")
    # Another number of steps changes only the schedule; any other change would mix two experiments.
    saved = {**state["training"], "steps": config.steps, "save_every": config.save_every}
    changed = [name for name, value in to_mapping(config).items() if saved.get(name) != value]
    if changed:
        raise ConfigError(f"{path} was trained with other {', '.join(changed)}; give another --output")
    return state
