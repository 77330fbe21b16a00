"""Training stages (base, bi, re, boxes): initial weights, trainable parts, optimiser and learning rate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from siammaskpp_core.config import ConfigError
from siammaskpp_core.model.checkpoint import load_network
from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.training.config import TrainingConfig

SGD_MOMENTUM = 0.9


def initialise_weights(model: SiamMaskPP, config: TrainingConfig, init: Path | None) -> list[str]:
    """Give a new `model` the weights that its stage starts from.

    These are the weights of the checkpoint `init`. Without one, the backbone gets those of an ImageNet
    classifier if `pretrained` is true. Returns the names of the parts that `init` lacks, as
    :func:`load_previous_stage` does. Raises :class:`ConfigError` when the network does not have this stage,
    and when the stage needs a checkpoint and none is given.
    """
    form = model.config.mask
    if config.stage not in ("base", "boxes", form):
        raise ConfigError(f"stage: {config.stage} needs a network with mask: {config.stage}, not {form}")
    if init is not None:
        return load_previous_stage(model, init)
    if config.stage != "base":
        raise ConfigError(f"stage: {config.stage} starts from a trained network: give --init CHECKPOINT")
    if config.pretrained:
        model.backbone.load_imagenet()
    return []


def load_previous_stage(model: SiamMaskPP, checkpoint: Path) -> list[str]:
    """Load the EMA weights of the previous stage; returns the names of parts that the checkpoint lacks.

    Such parts, for example the refine module, keep their initial weights. Raises :class:`ConfigError` when
    the networks differ in anything else and :class:`ModelError` when the file is not a checkpoint.
    """
    weights, own = load_network(checkpoint).state_dict(), model.state_dict()
    known = {name.partition(".")[0] for name in weights}
    new = {name: value for name, value in own.items() if name.partition(".")[0] not in known}
    try:
        model.load_state_dict({**new, **weights})
    except RuntimeError as error:
        reason = " ".join(str(error).split()[:40])
        raise ConfigError(f"{checkpoint} is of another network: {reason}") from error
    return sorted({name.partition(".")[0] for name in new})


def set_trainable(model: SiamMaskPP, config: TrainingConfig, train_backbone: bool) -> None:
    """Make the parts of the stage trainable, with `train_backbone` the backbone too, and freeze the rest.

    Frozen parts keep the statistics of their batch norms.
    """
    model.requires_grad_(False).eval()
    backbone = _backbone_modules(model, config) if train_backbone else []
    for module in [*_head_modules(model, config), *backbone]:
        module.requires_grad_(True).train()
    if model.refine is not None and model.config.refine_input == "correlation":
        assert model.mask is not None
        model.mask.requires_grad_(False).eval()  # the refine module does not use it
    frozen: list[nn.Module] = [] if config.train_backbone_norms else [model.backbone]
    for part in [model] if config.batch_norm == "frozen" else frozen:
        for module in part.modules():
            if isinstance(module, _BatchNorm):
                module.eval()


def make_optimizer(model: SiamMaskPP, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimiser of all parameters that are trained at any time of the run.

    The key `lr_factor` of a parameter group scales its learning rate. Parameters without a gradient, such as
    those of a backbone that is still frozen, do not change.
    """
    modules = [(1.0, _head_modules(model, config))]
    if unfreezing_step(config) < config.steps:
        modules.append((config.backbone_lr_factor, _backbone_modules(model, config)))
    groups = [
        group for factor, part in modules for group in _parameter_groups(part, factor, config.weight_decay)
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=SGD_MOMENTUM)
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _head_modules(model: SiamMaskPP, config: TrainingConfig) -> list[nn.Module]:
    if config.stage == "base":
        return [module for name, module in model.named_children() if name != "backbone"]
    return model.box_modules() if config.stage == "boxes" else model.mask_modules()


def _backbone_modules(model: SiamMaskPP, config: TrainingConfig) -> list[nn.Module]:
    """The trainable stages: those from conv3 on of a pretrained backbone (as in the paper), else all."""
    stages: list[nn.Module] = list(model.backbone.stages)
    return stages[2:] if config.pretrained else stages


def _parameter_groups(modules: list[nn.Module], lr_factor: float, decay: float) -> list[dict[str, Any]]:
    """One group with weight decay, for weights, and one without, for biases, norms and level weights."""
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay, "lr_factor": lr_factor},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, "lr_factor": lr_factor},
    ]


def lr_factor(step: int, config: TrainingConfig) -> float:
    """The learning rate at `step` (from 0), relative to its peak."""
    return _by_epoch(step, config) if config.schedule == "epochs" else _cosine(step, config)


def unfreezing_step(config: TrainingConfig) -> int:
    """The first step that trains the backbone; `config.steps` when it stays frozen."""
    return round(config.unfreeze_at * config.steps)


def _by_epoch(step: int, config: TrainingConfig) -> float:
    """One learning rate per epoch: a linear warm-up, then an exponential decay.

    With 20 epochs, a quarter of them warm-up, a peak of 0.005 and factors of 0.2 and 0.5 this is the paper's
    schedule: 5 epochs from 0.001 to 0.005, then 15 epochs from 0.005 to 0.0025.
    """
    warmup = round(config.warmup_fraction * config.epochs)
    rising = np.linspace(config.initial_lr_factor, 1, warmup)
    falling = np.geomspace(1, config.final_lr_factor, config.epochs - warmup)
    epoch = min(step, config.steps - 1) * config.epochs // config.steps
    return float(np.concatenate([rising, falling])[epoch])


def _cosine(step: int, config: TrainingConfig) -> float:
    """A new learning rate at every step: a linear warm-up, then half a cosine."""
    warmup = round(config.warmup_fraction * config.steps)
    if step < warmup:
        return config.initial_lr_factor + (1 - config.initial_lr_factor) * (step + 1) / warmup
    progress = min((step - warmup) / max(1, config.steps - warmup), 1)
    return config.final_lr_factor + (1 - config.final_lr_factor) * 0.5 * (1 + math.cos(math.pi * progress))
