"""Pictures of training pairs with their true and predicted masks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from siammaskpp_core.drawing import contact_sheet
from siammaskpp_core.network.config import MASK_SIZE, RESPONSE_SIZE, STRIDE
from siammaskpp_core.training.objective import Batch

Image = NDArray[np.uint8]
TRUE_COLOUR, PREDICTED_COLOUR = (255, 255, 255), (0, 220, 0)
PAIRS = 4


def draw_pairs(batch: Batch, positions: Tensor, logits: Tensor | None) -> Image:
    """The templates of a few pairs beside their search crops, BGR.

    `logits` [N, 1, 127, 127] at `positions` [N, 3] (pair, row, column) are outlined in green, the true
    masks in white; a pair without a mask is shown as it is.
    """
    first_of_pair = {int(pair): index for index, pair in reversed(list(enumerate(positions[:, 0].tolist())))}
    # Pairs with a mask say more than others.
    order = sorted(range(len(batch.search)), key=lambda pair: pair not in first_of_pair)
    tiles: list[Image] = []
    masks = batch.masks[batch.cells[..., 0] >= 0]
    for pair in order[:PAIRS]:
        search: Image = batch.search[pair].cpu().numpy().copy()
        index = first_of_pair.get(pair)
        if index is not None and logits is not None:
            _, row, column = positions[index].tolist()
            _outline(search, (masks[index] > 0).cpu().numpy(), row, column, TRUE_COLOUR)
            _outline(search, (logits[index, 0] > 0).cpu().numpy(), row, column, PREDICTED_COLOUR)
        tiles += [batch.template[pair].cpu().numpy(), search]
    return contact_sheet(tiles, columns=4)


def _outline(search: Image, mask: NDArray[np.bool_], row: int, column: int, colour: tuple[int, ...]) -> None:
    """Draw the outline of the mask of a response cell into its search crop."""
    middle, half = search.shape[0] // 2, MASK_SIZE // 2
    corner = (
        middle + (column - RESPONSE_SIZE // 2) * STRIDE - half,
        middle + (row - RESPONSE_SIZE // 2) * STRIDE - half,
    )
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=corner
    )
    cv2.drawContours(search, contours, -1, colour, 1)
