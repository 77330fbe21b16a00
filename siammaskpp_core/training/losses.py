"""The paper's three losses: cross-entropy, smooth L1 on normalised offsets, logistic loss on masks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from siammaskpp_core.training.targets import NEGATIVE, POSITIVE

HARD_NEGATIVES = 16
RANDOM_NEGATIVES = 32


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, half over target anchors, half over background anchors.

    `logits` [B, 2A, 25, 25] (background first), `labels` [B, A, 25, 25]. Of each picture's background,
    the hardest and some random anchors count: look-alikes are few among thousands.
    """
    batch, anchors = labels.shape[:2]
    log_p = F.log_softmax(logits.view(batch, 2, anchors, *logits.shape[-2:]).float(), 1)
    positive = (labels == POSITIVE).flatten(1)
    negative = (labels == NEGATIVE).flatten(1)
    target_loss = _mean_per_picture(-log_p[:, 1].flatten(1), positive)
    background = -log_p[:, 0].flatten(1)
    hard = background.detach().masked_fill(~negative, -1).topk(HARD_NEGATIVES, 1).indices
    drawn = torch.rand_like(background).masked_fill(~negative, -1).topk(RANDOM_NEGATIVES, 1).indices
    chosen = torch.zeros_like(negative).scatter(1, torch.cat([hard, drawn], 1), True) & negative
    return 0.5 * (target_loss + _mean_per_picture(background, chosen))


def box_loss(offsets: Tensor, targets: Tensor, labels: Tensor, omega: float) -> Tensor:
    """Smooth L1 of the four normalised offsets, summed, over target anchors.

    `offsets` [B, 4A, 25, 25], `targets` [B, 4, A, 25, 25], `labels` [B, A, 25, 25]. With
    `|x| < 1/omega^2` the loss is `0.5 omega^2 x^2`, else `|x| - 1 / (2 omega^2)`.
    """
    difference = F.smooth_l1_loss(
        offsets.view_as(targets).float(), targets, reduction="none", beta=1 / omega**2
    ).sum(1)
    return _mean_per_picture(difference.flatten(1), (labels == POSITIVE).flatten(1))


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """`mean log(1 + exp(-c m))` over the pixels of positive positions, with c = +1 or -1.

    `logits` [N, 1, 127, 127], `masks` [N, 127, 127] of 0 and 1. Zero when N is zero.
    """
    if not len(masks):
        return logits.sum()
    return F.soft_margin_loss(logits[:, 0].float(), masks.float() * 2 - 1)


def _mean_per_picture(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen values of each row, then over the rows that have any."""
    counts = chosen.sum(1)
    means = (values * chosen).sum(1) / counts.clamp(min=1)
    return means.sum() / (counts > 0).sum().clamp(min=1)
