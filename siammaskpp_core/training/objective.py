"""From a batch of pairs to predictions, and from these to the losses."""

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
    classification_loss,
    dice_loss,
    hard_negatives,
    mask_loss,
    mask_overlap,
)


class Batch(NamedTuple):
    """Several :class:`Pair` as tensors, the pairs on the first axis."""

    template: Tensor
    search: Tensor
    labels: Tensor
    offsets: Tensor
    cells: Tensor
    masks: Tensor


class Prediction(NamedTuple):
    """cls [B, 2A, R, R], loc [B, 4A, R, R] and mask logits [N, 1, 127, 127], as far as there are any.

    Mask logits after those of the positions that were asked for have no meaning.
    """

    cls: Tensor
    loc: Tensor | None
    masks: Tensor | None


class PairNetwork(nn.Module):
    """The network as it is trained, on pairs of crops; all processes compute it in step.

    `frozen` replaces a backbone that does not learn.
    """

    def __init__(self, model: SiamMaskPP, frozen: FrozenBackbone | None) -> None:
        super().__init__()
        self.model = model
        self.frozen = frozen

    def forward(self, template: Tensor, search: Tensor, positions: Tensor) -> Prediction:
        """Crops uint8 BGR and the positions int64 [N, 3] (pair, row, column) whose masks are wanted."""
        encode = self.frozen or self.model.backbone
        kernels = self.model.template_kernels(encode(template))
        features = encode(search)
        response = self.model.respond(features, kernels)
        if response.mask is None:
            return Prediction(response.cls, response.loc, None)
        if len(positions) < 2:
            # Batch norms need two, and all processes gradients to average: add some that are not used.
            middle = response.mask.shape[-1] // 2
            positions = torch.cat([positions, positions.new_tensor([[0, middle, middle]] * 2)])
        masks = self.model.masks_at(response, features, *positions.unbind(1))
        return Prediction(response.cls, response.loc, masks)


def mask_positions(batch: Batch) -> Tensor:
    """The positions int64 [N, 3] (pair, row, column) at which the pairs have true masks."""
    used = batch.cells[..., 0] >= 0
    return torch.cat([used.nonzero()[:, :1], batch.cells[used]], 1)


def losses_of(
    prediction: Prediction, batch: Batch, draws: Tensor | None, config: TrainingConfig
) -> dict[str, Mean]:
    """The means `target`, `background`, `box`, `mask`, `dice` and masks' `overlap`, as far as they apply.

    `draws` choose the random negatives, see :func:`random_draws`.
    """
    means: dict[str, Mean] = {}
    if config.stage == "base":
        hard = config.anchor_choice == "hard"
        labels = batch.labels if draws is None else hard_negatives(prediction.cls, batch.labels, draws)
        means["target"], means["background"] = classification_loss(prediction.cls, labels, per_picture=hard)
        if prediction.loc is not None:
            omega = config.smooth_l1_omega
            means["box"] = box_loss(
                prediction.loc, batch.offsets, batch.labels, omega, every_picture=not hard
            )
    if prediction.masks is not None:
        masks = batch.masks[batch.cells[..., 0] >= 0]
        logits = prediction.masks[: len(masks)]
        means["mask"], means["overlap"] = mask_loss(logits, masks), mask_overlap(logits, masks)
        if config.overlap_weight:
            means["dice"] = dice_loss(logits, masks)
    return means


def total_loss(means: dict[str, Tensor], config: TrainingConfig) -> Tensor:
    """`A * L_cls + B * L_reg + C * L_mask` of the divided means of :func:`losses_of`."""
    weights = {
        "target": config.cls_weight / 2,
        "background": config.cls_weight / 2,
        "box": config.loc_weight,
        "mask": config.mask_weight,
        "dice": config.overlap_weight,
    }
    return torch.stack([weights[name] * mean for name, mean in means.items() if name in weights]).sum()


def logged(means: dict[str, Mean], config: TrainingConfig) -> dict[str, Tensor]:
    """The numbers of a step that people read: the losses of the paper and the overlap of masks.

    NaN where a batch had nothing to count.
    """
    values = {name: mean.value for name, mean in means.items()}
    numbers = {"loss": total_loss(values, config)}
    if "target" in means:
        numbers["cls"] = (values["target"] + values["background"]) / 2
    for name, short in {"box": "loc", "mask": "mask", "overlap": "iou"}.items():
        if name in means:
            numbers[short] = values[name].masked_fill(means[name].count == 0, torch.nan)
    return numbers


def random_draws(batch: Batch, config: TrainingConfig, step: int, rank: int) -> Tensor | None:
    """The random numbers [B, A, R, R] of the hard choice of anchors, None with another choice.

    They depend on the seed, the step and the pair alone.
    """
    if config.anchor_choice != "hard":
        return None
    share = len(batch.labels)
    numbers = np.random.default_rng((config.seed, step, 0))
    draws = numbers.random((config.batch_size, *batch.labels.shape[1:]), dtype=np.float32)
    return torch.from_numpy(draws[rank * share : (rank + 1) * share]).to(batch.labels.device)
