"""The training objective: from a batch of pairs to predictions, and from predictions to the loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.frozen import FrozenBackbone
from siammaskpp_core.training.losses import (
    Mean,
    box_loss,
    box_overlaps,
    classification_loss,
    dice_loss,
    giou_loss,
    hard_negatives,
    mask_loss,
    mask_overlap,
    relative_quality,
)


class Batch(NamedTuple):
    """Pairs as tensors, stacked on the first axis; see :class:`~siammaskpp_core.training.pairs.Pair`."""

    template: Tensor
    search: Tensor
    labels: Tensor
    offsets: Tensor
    cells: Tensor
    masks: Tensor


class Prediction(NamedTuple):
    """cls [B, 2A, R, R], loc [B, 4A, R, R] and mask logits [N, 1, 127, 127]; None where the network has none.

    There may be more mask logits than positions were given; the surplus at the end has no meaning.
    """

    cls: Tensor
    loc: Tensor | None
    masks: Tensor | None


class PairNetwork(nn.Module):
    """The network as a function of a batch of pairs, in the form that distributed training wraps.

    `frozen`, if given, computes the features instead of the model's own backbone. Without `with_masks` the
    masks are left out.
    """

    def __init__(self, model: SiamMaskPP, frozen: FrozenBackbone | None, *, with_masks: bool = True) -> None:
        super().__init__()
        self.model = model
        self.frozen = frozen
        self.with_masks = with_masks

    def forward(self, template: Tensor, search: Tensor, positions: Tensor) -> Prediction:
        """Predict from crops uint8 BGR [B, H, W, 3] and mask positions int64 [N, 3] (pair, row, column)."""
        encode = self.frozen or self.model.backbone
        kernels = self.model.template_kernels(encode(template))
        features = encode(search)
        response = self.model.respond(features, kernels, with_masks=self.with_masks)
        if response.mask is None:
            return Prediction(response.cls, response.loc, None)
        if len(positions) < 2:
            # Batch norms need at least two positions, and every process needs gradients to average.
            centre = response.mask.shape[-1] // 2
            positions = torch.cat([positions, positions.new_tensor([[0, centre, centre]] * 2)])
        masks = self.model.masks_at(response, features, *positions.unbind(1))
        return Prediction(response.cls, response.loc, masks)


def mask_positions(batch: Batch) -> Tensor:
    """The positions int64 [N, 3] (pair, row, column) at which the batch has true masks."""
    used = batch.cells[..., 0] >= 0
    return torch.cat([used.nonzero()[:, :1], batch.cells[used]], 1)


def batch_losses(
    prediction: Prediction, batch: Batch, draws: Tensor | None, config: TrainingConfig
) -> dict[str, Mean]:
    """The means `positive`, `negative`, `box`, `giou`, `mask`, `dice` and `overlap` (of masks) that apply.

    The stage and the parts of the network decide which ones apply. `draws` select the random negatives, see
    :func:`random_draws`.
    """
    means: dict[str, Mean] = {}
    if config.stage in ("base", "boxes"):
        hard = config.anchor_sampling == "hard"
        quality = None
        if prediction.loc is not None:
            omega = config.smooth_l1_omega
            means["box"] = box_loss(prediction.loc, batch.offsets, batch.labels, omega, every_pair=not hard)
            if config.giou_weight or config.quality_exponent:
                overlaps, giou = box_overlaps(prediction.loc, batch.offsets)
                means["giou"] = giou_loss(giou, batch.labels, every_pair=not hard)
                if config.quality_exponent:
                    quality = relative_quality(overlaps, batch.labels, config.quality_exponent)
        labels = batch.labels if draws is None else hard_negatives(prediction.cls, batch.labels, draws)
        means["positive"], means["negative"] = classification_loss(prediction.cls, labels, hard, quality)
    if prediction.masks is not None:
        masks = batch.masks[batch.cells[..., 0] >= 0]
        logits = prediction.masks[: len(masks)]
        means["mask"], means["overlap"] = mask_loss(logits, masks), mask_overlap(logits, masks)
        if config.dice_weight:
            means["dice"] = dice_loss(logits, masks)
    return means


def total_loss(means: dict[str, Tensor], config: TrainingConfig) -> Tensor:
    """The weighted sum of the means of :func:`batch_losses`: `A * L_cls + B * L_reg + C * L_mask + ...`."""
    weights = {
        "positive": config.cls_weight / 2,
        "negative": config.cls_weight / 2,
        "box": config.loc_weight,
        "giou": config.giou_weight,
        "mask": config.mask_weight,
        "dice": config.dice_weight,
    }
    return torch.stack([weights[name] * mean for name, mean in means.items() if name in weights]).sum()


def logged_values(means: dict[str, Mean], config: TrainingConfig) -> dict[str, Tensor]:
    """The values of a step that are logged: `loss`, `cls`, `loc`, `giou`, `mask` and the masks' `iou`.

    A value is NaN where the batch had nothing to average.
    """
    values = {name: mean.value for name, mean in means.items()}
    numbers = {"loss": total_loss(values, config)}
    if "positive" in means:
        numbers["cls"] = (values["positive"] + values["negative"]) / 2
    for name, short in {"box": "loc", "giou": "giou", "mask": "mask", "overlap": "iou"}.items():
        if name in means:
            numbers[short] = values[name].masked_fill(means[name].count == 0, torch.nan)
    return numbers


def random_draws(batch: Batch, config: TrainingConfig, step: int, rank: int) -> Tensor | None:
    """Uniform random numbers [B, A, R, R] for hard anchor sampling; None for other sampling.

    They depend only on the seed, the step and the pair, not on the number of processes.
    """
    if config.anchor_sampling != "hard":
        return None
    pairs = len(batch.labels)
    numbers = np.random.default_rng((config.seed, step, 0))
    draws = numbers.random((config.batch_size, *batch.labels.shape[1:]), dtype=np.float32)
    return torch.from_numpy(draws[rank * pairs : (rank + 1) * pairs]).to(batch.labels.device)
