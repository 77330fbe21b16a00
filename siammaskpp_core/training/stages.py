"""Which parts of a network learn: by stage (base, then bi or re) and, in base, by time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from siammaskpp_core.config import ConfigError
from siammaskpp_core.model.checkpoint import load_checkpoint
from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.training.config import TrainingConfig

SGD_MOMENTUM = 0.9


def prepare(model: SiamMaskPP, config: TrainingConfig, init: Path | None) -> list[str]:
    """Give a new `model` the weights that its stage starts from; returns what :func:`start_from` does.

    Those of the checkpoint `init`, or of an ImageNet classifier. Raises :class:`ConfigError` when the
    stage is not one of this network, or has nothing to go on from.
    """
    form = model.config.mask
    if config.stage not in ("base", form):
        raise ConfigError(f"stage: {config.stage} needs a network with mask: {config.stage}, not {form}")
    if init is not None:
        return start_from(model, init)
    if config.stage != "base":
        raise ConfigError(f"stage: {config.stage} goes on from a trained network: give --init CHECKPOINT")
    if config.pretrained:
        model.backbone.load_imagenet()
    return []


def start_from(model: SiamMaskPP, checkpoint: Path) -> list[str]:
    """Load the averaged weights of the stage before; returns the parts that it did not have.

    Apart from whole parts that are new, such as the refine module, the networks must be the same:
    :class:`ConfigError` otherwise. :class:`ModelError` when the file is not a checkpoint.
    """
    weights, own = load_checkpoint(checkpoint)[0].state_dict(), model.state_dict()
    known = {name.partition(".")[0] for name in weights}
    new = {name: value for name, value in own.items() if name.partition(".")[0] not in known}
    try:
        model.load_state_dict({**new, **weights})
    except RuntimeError as error:
        reason = " ".join(str(error).split()[:40])
        raise ConfigError(f"{checkpoint} is of another network: {reason}") from error
    return sorted({name.partition(".")[0] for name in new})


def set_trainable(model: SiamMaskPP, config: TrainingConfig, backbone: bool) -> None:
    """Let the parts of the stage learn, and the `backbone` if told to; everything else stays as it is.

    What stays keeps the statistics of its batch norms, too.
    """
    model.requires_grad_(False).eval()
    for module in [*_head_modules(model, config), *(_backbone_modules(model, config) if backbone else ())]:
        module.requires_grad_(True).train()
    if model.refine is not None and model.config.refine_input == "correlation":
        assert model.mask is not None
        model.mask.requires_grad_(False).eval()  # the refine module does not look at it
    still: list[nn.Module] = [] if config.train_backbone_norms else [model.backbone]
    for part in [model] if config.batch_norm == "frozen" else still:
        for module in part.modules():
            if isinstance(module, _BatchNorm):
                module.eval()


def make_optimizer(model: SiamMaskPP, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimiser of everything that learns at any time of the run.

    Each group's `share` is its part of the rate. Parameters without a gradient stay as they are.
    """
    modules = [(1.0, _head_modules(model, config))]
    if unfreezing_step(config) < config.steps:
        modules.append((config.backbone_lr_factor, _backbone_modules(model, config)))
    groups = [
        group for share, some in modules for group in _parameter_groups(some, share, config.weight_decay)
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=SGD_MOMENTUM)
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _head_modules(model: SiamMaskPP, config: TrainingConfig) -> list[nn.Module]:
    if config.stage == "base":
        return [module for name, module in model.named_children() if name != "backbone"]
    return model.mask_modules()


def _backbone_modules(model: SiamMaskPP, config: TrainingConfig) -> list[nn.Module]:
    """As published, a pretrained backbone keeps its first layers; another learns as a whole."""
    stages: list[nn.Module] = list(model.backbone.stages)
    return stages[2:] if config.pretrained else stages


def _parameter_groups(modules: list[nn.Module], share: float, decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases, batch norms and level weights do not."""
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay, "share": share},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, "share": share},
    ]


def lr_factor(step: int, config: TrainingConfig) -> float:
    """Share of the peak rate at `step` (from 0)."""
    return _by_epoch(step, config) if config.schedule == "epochs" else _cosine(step, config)


def unfreezing_step(config: TrainingConfig) -> int:
    """The first step that trains the backbone; `config.steps` when none does."""
    return round(config.unfreeze_at * config.steps)


def _by_epoch(step: int, config: TrainingConfig) -> float:
    """One rate an epoch: a straight line from `initial_lr_factor` to the peak, then evenly in the logarithm.

    With 20 epochs, a quarter of them warm-up, a peak of 0.005 and shares of 0.2 and 0.5 these are the
    paper's 5 epochs from 0.001 to 0.005 and 15 from there to 0.0025.
    """
    warmup = round(config.warmup_fraction * config.epochs)
    rising = np.linspace(config.initial_lr_factor, 1, warmup)
    falling = np.geomspace(1, config.final_lr_factor, config.epochs - warmup)
    epoch = min(step, config.steps - 1) * config.epochs // config.steps
    return float(np.concatenate([rising, falling])[epoch])


def _cosine(step: int, config: TrainingConfig) -> float:
    """A new rate every step: a straight line from `initial_lr_factor` to the peak, then half a cosine."""
    warmup = round(config.warmup_fraction * config.steps)
    if step < warmup:
        return config.initial_lr_factor + (1 - config.initial_lr_factor) * (step + 1) / warmup
    progress = min((step - warmup) / max(1, config.steps - warmup), 1)
    return config.final_lr_factor + (1 - config.final_lr_factor) * 0.5 * (1 + math.cos(math.pi * progress))
