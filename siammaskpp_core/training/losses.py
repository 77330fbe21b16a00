"""The paper's three losses: cross-entropy, smooth L1 on normalised offsets, logistic loss on masks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from siammaskpp_core.training.assignment import IGNORED, NEGATIVE, POSITIVE

HARD_NEGATIVES = 16
RANDOM_NEGATIVES = 32


@dataclass(frozen=True)
class Mean:
    """A mean before the division: several processes add their totals and their counts first."""

    total: Tensor
    count: Tensor

    @property
    def value(self) -> Tensor:
        """`total / count`; zero where nothing was counted."""
        return self.total / self.count.clamp(min=1)


def classification_loss(logits: Tensor, labels: Tensor, per_picture: bool = False) -> tuple[Mean, Mean]:
    """Cross-entropy of the target anchors and of the background anchors; the loss is half of each mean.

    `logits` [B, 2A, R, R] (background first), `labels` [B, A, R, R]. The means are over all anchors of
    the batch, or `per_picture` first and then over the pictures.
    """
    batch, anchors = labels.shape[:2]
    log_p = F.log_softmax(logits.view(batch, 2, anchors, *logits.shape[-2:]).float(), 1)
    mean = _mean_of_pictures if per_picture else _mean_of_anchors
    return mean(-log_p[:, 1], labels == POSITIVE), mean(-log_p[:, 0], labels == NEGATIVE)


def box_loss(
    offsets: Tensor, targets: Tensor, labels: Tensor, omega: float, every_picture: bool = True
) -> Mean:
    """Smooth L1 of the four normalised offsets, summed, over target anchors.

    `offsets` [B, 4A, R, R], `targets` [B, 4, A, R, R], `labels` [B, A, R, R]. With
    `|x| < 1/omega^2` the loss is `0.5 omega^2 x^2`, else `|x| - 1 / (2 omega^2)`. The mean is over the
    anchors of a picture, then over `every_picture` of the batch or only those with a target anchor.
    """
    difference = F.smooth_l1_loss(
        offsets.view_as(targets).float(), targets, reduction="none", beta=1 / omega**2
    ).sum(1)
    mean = _mean_of_pictures(difference, labels == POSITIVE)
    return Mean(mean.total, torch.full_like(mean.count, len(labels))) if every_picture else mean


def mask_loss(logits: Tensor, masks: Tensor) -> Mean:
    """`sum_n 1/(wh) sum_ij log(1 + exp(-c_ij m_ij))` over the N positive positions, c = +1 or -1.

    The paper's factor `(1 + c_n) / (2wh)` is `1/(wh)` at positive positions and zero at all others, so
    only positive ones are given: `logits` [N, 1, 127, 127], `masks` [N, 127, 127] of 0 and 1.
    """
    pixels = F.soft_margin_loss(logits[:, 0].float(), masks.float() * 2 - 1, reduction="none")
    return Mean(pixels.mean((1, 2)).sum(), pixels.new_tensor(len(masks)))


def dice_loss(logits: Tensor, masks: Tensor) -> Mean:
    """`1 - 2 sum(p m) / (sum p + sum m)` of each mask (V-Net, Milletari et al. 2016), shapes as above."""
    probabilities, true = logits[:, 0].float().sigmoid(), masks.float()
    common = (probabilities * true).sum((1, 2))
    sizes = probabilities.sum((1, 2)) + true.sum((1, 2))
    return Mean((1 - (2 * common + 1) / (sizes + 1)).sum(), common.new_tensor(len(masks)))


def mask_overlap(logits: Tensor, masks: Tensor) -> Mean:
    """Intersection over union of predicted and true masks, shapes as in :func:`mask_loss`."""
    predicted, true = logits[:, 0] > 0, masks > 0
    union = (predicted | true).flatten(1).sum(1)
    overlaps = (predicted & true).flatten(1).sum(1) / union.clamp(min=1)
    return Mean(overlaps.sum(), overlaps.new_tensor(len(masks)))


def hard_negatives(logits: Tensor, labels: Tensor, draws: Tensor) -> Tensor:
    """`labels` with only the hardest and some random background anchors of each picture left.

    Look-alikes are few among thousands. `draws` [B, A, R, R] are uniform random numbers; the background
    anchors with the largest are the random ones.
    """
    batch, anchors = labels.shape[:2]
    background = (labels == NEGATIVE).flatten(1)
    pairs = logits.detach().view(batch, 2, anchors, *logits.shape[-2:]).float()
    hardness = (pairs[:, 1] - pairs[:, 0]).flatten(1).masked_fill(~background, -torch.inf)
    hard = hardness.topk(HARD_NEGATIVES, 1).indices
    drawn = draws.flatten(1).masked_fill(~background, -1).topk(RANDOM_NEGATIVES, 1).indices
    chosen = torch.zeros_like(background).scatter(1, torch.cat([hard, drawn], 1), True)
    return labels.masked_fill((background & ~chosen).view_as(labels), IGNORED)


def _mean_of_anchors(values: Tensor, chosen: Tensor) -> Mean:
    return Mean((values * chosen).sum(), chosen.sum().to(values.dtype))


def _mean_of_pictures(values: Tensor, chosen: Tensor) -> Mean:
    """The mean of each picture's chosen values, over the pictures that have any."""
    counts = chosen.flatten(1).sum(1)
    means = (values * chosen).flatten(1).sum(1) / counts.clamp(min=1)
    return Mean(means.sum(), (counts > 0).sum().to(values.dtype))
