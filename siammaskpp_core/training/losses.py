"""Loss functions: cross-entropy, smooth L1 and GIoU on boxes, logistic and Dice loss on masks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from siammaskpp_core.tracking.decoding import MAX_LOG_RATIO
from siammaskpp_core.training.assignment import IGNORED, NEGATIVE, POSITIVE

HARD_NEGATIVES = 16
RANDOM_NEGATIVES = 32


@dataclass(frozen=True)
class Mean:
    """A mean as `total` and `count`, so that several processes can add both before they divide."""

    total: Tensor
    count: Tensor

    @property
    def value(self) -> Tensor:
        """`total / count`; zero where nothing was counted."""
        return self.total / self.count.clamp(min=1)


def classification_loss(
    logits: Tensor, labels: Tensor, per_pair: bool = False, quality: Tensor | None = None
) -> tuple[Mean, Mean]:
    """Cross-entropy of the positive and of the negative anchors; the loss is half the sum of both means.

    `logits` [B, 2A, R, R] (background first), `labels` [B, A, R, R]. The means are taken over all anchors
    of the batch or, with `per_pair`, over the anchors of each pair and then over the pairs. `quality`
    [B, A, R, R] are the target probabilities of the positive anchors, by default 1.
    """
    batch, anchors = labels.shape[:2]
    log_p = F.log_softmax(logits.view(batch, 2, anchors, *logits.shape[-2:]).float(), 1)
    mean = _mean_of_pairs if per_pair else _mean_of_anchors
    positive = -log_p[:, 1]
    if quality is not None:
        positive = quality * positive - (1 - quality) * log_p[:, 0]
    return mean(positive, labels == POSITIVE), mean(-log_p[:, 0], labels == NEGATIVE)


def relative_quality(overlaps: Tensor, labels: Tensor, exponent: float) -> Tensor:
    """Target probabilities [B, A, R, R] that rank the positive anchors of a pair by their boxes.

    They follow the IoU of the predicted boxes, as in the quality focal loss (Li et al. 2020). Dividing by the
    pair's best IoU keeps 1 as the target of the best anchor, so that a score still tells how probable it is
    that the target is there at all. `overlaps` and `labels` are [B, A, R, R].
    """
    positive = (overlaps.detach() * (labels == POSITIVE)).flatten(1)
    best = positive.amax(1, keepdim=True).clamp(min=1e-6)
    return (positive / best).pow(exponent).view_as(overlaps)


def box_loss(offsets: Tensor, targets: Tensor, labels: Tensor, omega: float, every_pair: bool = True) -> Mean:
    """Smooth L1 loss, summed over the four normalised offsets and averaged over positive anchors.

    `offsets` [B, 4A, R, R], `targets` [B, 4, A, R, R], `labels` [B, A, R, R]. With
    `|x| < 1/omega^2` the loss is `0.5 omega^2 x^2`, else `|x| - 1 / (2 omega^2)`. The mean is taken over the
    anchors of each pair, then over all pairs (`every_pair`) or only over those with a positive anchor.
    """
    difference = F.smooth_l1_loss(
        offsets.view_as(targets).float(), targets, reduction="none", beta=1 / omega**2
    ).sum(1)
    mean = _mean_of_pairs(difference, labels == POSITIVE)
    return Mean(mean.total, torch.full_like(mean.count, len(labels))) if every_pair else mean


def box_overlaps(offsets: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU [B, A, R, R] of predicted and true boxes (Rezatofighi et al. 2019).

    `offsets` [B, 4A, R, R], `targets` [B, 4, A, R, R] of the same anchors. Both overlaps do not depend on the
    units of the axes, so the anchors' sizes are taken for the units.
    """
    (low, high), (true_low, true_high) = (_corners(x.float()) for x in (offsets.view_as(targets), targets))
    common = (torch.minimum(high, true_high) - torch.maximum(low, true_low)).clamp(min=0).prod(1)
    union = (high - low).prod(1) + (true_high - true_low).prod(1) - common
    hull = (torch.maximum(high, true_high) - torch.minimum(low, true_low)).prod(1)
    overlaps = common / union
    return overlaps, overlaps - (hull - union) / hull


def giou_loss(giou: Tensor, labels: Tensor, every_pair: bool = True) -> Mean:
    """`1 - GIoU`, averaged over positive anchors as in :func:`box_loss`; both arguments are [B, A, R, R]."""
    mean = _mean_of_pairs(1 - giou, labels == POSITIVE)
    return Mean(mean.total, torch.full_like(mean.count, len(labels))) if every_pair else mean


def mask_loss(logits: Tensor, masks: Tensor) -> Mean:
    """`sum_n 1/(wh) sum_ij log(1 + exp(-c_ij m_ij))` over the N positive positions, c = +1 or -1.

    The paper's factor `(1 + c_n) / (2wh)` is `1/(wh)` at positive positions and zero at all others, so
    the arguments hold positive positions only: `logits` [N, 1, 127, 127], `masks` [N, 127, 127] of 0 and 1.
    """
    pixels = F.soft_margin_loss(logits[:, 0].float(), masks.float() * 2 - 1, reduction="none")
    return Mean(pixels.mean((1, 2)).sum(), pixels.new_tensor(len(masks)))


def dice_loss(logits: Tensor, masks: Tensor) -> Mean:
    """`1 - (2 sum(p m) + 1) / (sum p + sum m + 1)` per mask (V-Net, Milletari et al. 2016).

    The shapes are those of :func:`mask_loss`. The ones make the loss of two empty masks zero.
    """
    probabilities, true = logits[:, 0].float().sigmoid(), masks.float()
    common = (probabilities * true).sum((1, 2))
    sizes = probabilities.sum((1, 2)) + true.sum((1, 2))
    return Mean((1 - (2 * common + 1) / (sizes + 1)).sum(), common.new_tensor(len(masks)))


def mask_overlap(logits: Tensor, masks: Tensor) -> Mean:
    """Intersection over union of predicted and true masks, with the shapes of :func:`mask_loss`."""
    predicted, true = logits[:, 0] > 0, masks > 0
    union = (predicted | true).flatten(1).sum(1)
    overlaps = (predicted & true).flatten(1).sum(1) / union.clamp(min=1)
    return Mean(overlaps.sum(), overlaps.new_tensor(len(masks)))


def hard_negatives(logits: Tensor, labels: Tensor, draws: Tensor) -> Tensor:
    """Hard negative mining: ignore all negatives of a pair but the hardest and some random ones.

    Distractors are a few among thousands of anchors. Returns `labels` [B, A, R, R] with the other negatives
    set to ignored. `draws` [B, A, R, R] are uniform random numbers; the negatives with the largest are the
    random ones.
    """
    batch, anchors = labels.shape[:2]
    negative = (labels == NEGATIVE).flatten(1)
    pairs = logits.detach().view(batch, 2, anchors, *logits.shape[-2:]).float()
    hardness = (pairs[:, 1] - pairs[:, 0]).flatten(1).masked_fill(~negative, -torch.inf)
    hard = hardness.topk(HARD_NEGATIVES, 1).indices
    drawn = draws.flatten(1).masked_fill(~negative, -1).topk(RANDOM_NEGATIVES, 1).indices
    chosen = torch.zeros_like(negative).scatter(1, torch.cat([hard, drawn], 1), True)
    return labels.masked_fill((negative & ~chosen).view_as(labels), IGNORED)


def _corners(offsets: Tensor) -> tuple[Tensor, Tensor]:
    """The lower and the upper corners [B, 2, A, R, R] of boxes, in sizes of their anchors."""
    half = offsets[:, 2:].clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp() / 2
    return offsets[:, :2] - half, offsets[:, :2] + half


def _mean_of_anchors(values: Tensor, chosen: Tensor) -> Mean:
    return Mean((values * chosen).sum(), chosen.sum().to(values.dtype))


def _mean_of_pairs(values: Tensor, chosen: Tensor) -> Mean:
    """The mean of each pair's chosen values, averaged over the pairs that have any."""
    counts = chosen.flatten(1).sum(1)
    means = (values * chosen).flatten(1).sum(1) / counts.clamp(min=1)
    return Mean(means.sum(), (counts > 0).sum().to(values.dtype))
