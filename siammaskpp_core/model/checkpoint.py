"""Networks from torch weights: `weights.pt` of a model folder, or the checkpoint of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from siammaskpp_core.config import from_mapping
from siammaskpp_core.model.folder import ModelError
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.tracking.config import TrackingConfig

WEIGHTS = "weights.pt"


def load_checkpoint(path: Path) -> tuple[SiamMaskPP, TrackingConfig]:
    """The network in `weights.pt` of a model folder or in a training checkpoint, and its tracking parameters.

    The network of a training has the EMA weights. Raises :class:`ModelError` when the file is neither.
    """
    return _load(path, with_tracking=True)


def load_network(path: Path) -> SiamMaskPP:
    """The network of :func:`load_checkpoint` alone; the tracking parameters may be of another version."""
    return _load(path, with_tracking=False)[0]


def _load(path: Path, with_tracking: bool) -> tuple[SiamMaskPP, TrackingConfig]:
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        model = SiamMaskPP(from_mapping(NetworkConfig, state["network"], str(path)))
        tracking = from_mapping(TrackingConfig, state["tracking"] if with_tracking else {}, str(path))
        weights = state["ema"] if "ema" in state else state["model"]
        weights.pop("n_averaged", None)
        model.load_state_dict({name.removeprefix("module."): value for name, value in weights.items()})
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # torch raises many types for a file of another kind
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"{path} is not a checkpoint of `siammaskpp train` nor {WEIGHTS} of a model folder: {reason}"
        ) from error
    return model.eval(), tracking


def load_mean(paths: Sequence[Path]) -> tuple[SiamMaskPP, TrackingConfig]:
    """The network with the mean of the weights in `paths`, and the tracking parameters of the first.

    Raises :class:`ModelError` when the networks differ, and as :func:`load_checkpoint` does.
    """
    model, tracking = load_checkpoint(paths[0])
    states = [model.state_dict()]
    for path in paths[1:]:
        other = load_network(path)
        if other.config != model.config:
            raise ModelError(f"{path} is of another network than {paths[0]}: no mean can be made of them")
        states.append(other.state_dict())
    for name, values in states[0].items():
        if values.is_floating_point():  # the others are counters of batch norms
            values.copy_(torch.stack([state[name] for state in states]).mean(0))
    return model, tracking
