"""Images of pairs: masks are drawn at the position of their response cell."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from siammaskpp_core.io.drawing import GAP_PX
from siammaskpp_core.training.objective import Batch, mask_positions
from siammaskpp_core.training.run_log import PREDICTED_COLOUR, TRUE_COLOUR, draw_pairs

SIDE = 255 + GAP_PX


def test_masks_are_drawn_around_their_cell():
    """The second pair has a mask at row 10, column 14: 16 px above and right of the central pixel, 127."""
    cells = torch.full((2, 3, 2), -1)
    cells[1, 0] = torch.tensor([10, 14])
    masks = torch.zeros(2, 3, 127, 127)
    masks[1, 0, 53:74, 43:84] = 1  # 41 x 21 around the crop's middle pixel, 63
    logits = torch.full((1, 1, 127, 127), -5.0)
    logits[0, 0, 58:69, 58:69] = 5.0
    batch = Batch(
        template=torch.zeros(2, 127, 127, 3, dtype=torch.uint8),
        search=torch.full((2, 255, 255, 3), 9, dtype=torch.uint8),
        labels=torch.zeros(2, 5, 25, 25),
        offsets=torch.zeros(2, 4, 5, 25, 25),
        cells=cells,
        masks=masks,
    )
    sheet = draw_pairs(batch, mask_positions(batch), logits)
    # Template, search, template, search, the pair with the mask first.
    first, second = (sheet[GAP_PX : GAP_PX + 255, x + GAP_PX : x + GAP_PX + 255] for x in (SIDE, 3 * SIDE))
    assert (second == 9).all()
    for colour, half_width, half_height in ((TRUE_COLOUR, 20, 10), (PREDICTED_COLOUR, 5, 5)):
        rows, columns = np.nonzero((first == colour).all(-1))
        assert (rows.min(), rows.max()) == (127 - 16 - half_height, 127 - 16 + half_height)
        assert (columns.min(), columns.max()) == (127 + 16 - half_width, 127 + 16 + half_width)


def test_without_masks():
    batch = Batch(
        template=torch.zeros(1, 127, 127, 3, dtype=torch.uint8),
        search=torch.full((1, 255, 255, 3), 9, dtype=torch.uint8),
        labels=torch.zeros(1, 1, 17, 17),
        offsets=torch.zeros(1, 4, 1, 17, 17),
        cells=torch.full((1, 4, 2), -1),
        masks=torch.zeros(1, 4, 127, 127),
    )
    assert draw_pairs(batch, mask_positions(batch), None).shape[2] == 3
