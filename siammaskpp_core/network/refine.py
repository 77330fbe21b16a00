"""The refine module: decodes a mask vector and the features around its position to a 127x127 mask."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siammaskpp_core.network.backbones import Channels, Features, upsample
from siammaskpp_core.network.config import MASK_SIZE


class Windows(NamedTuple):
    """Features around N positions; each window covers the 127x127 pixels of its position's mask.

    stride2 [N, C2, 63, 63] (61 for ResNets), stride4 [N, C4, 31, 31], conv3 [N, C8, 15, 15].
    """

    stride2: Tensor
    stride4: Tensor
    conv3: Tensor


def cut_windows(features: Features, batch: Tensor, rows: Tensor, columns: Tensor) -> Windows:
    """Cut the windows of N positions of the 25x25 response; cells outside the map are zero.

    `batch`, `rows` and `columns` are int64 [N]. Response cell (r, c) is centred on conv3 cell (r+3, c+3), so
    its window starts 4 cells above and left of (r, c). These numbers double at stride 4 and again at 2.
    """

    def cut(x: Tensor, stride: int) -> Tensor:
        side = x.shape[-1] - 16 * stride
        padded = F.pad(x, (4 * stride,) * 4)
        offsets = torch.arange(side, device=x.device)
        ys, xs = (stride * cells[:, None] + offsets for cells in (rows, columns))
        # One gather for all windows: on a GPU, launching a slice per window costs more than the work.
        windows = padded[batch[:, None, None], :, ys[:, :, None], xs[:, None, :]]
        return windows.permute(0, 3, 1, 2)

    return Windows(cut(features.stride2, 4), cut(features.stride4, 2), cut(features.conv3, 1))


class RefineStep(nn.Module):
    """Add a skip connection to the mask and double its resolution.

    `upsample(lateral(x) + skip(features))`, then one 3x3 convolution to the next step's channels.
    """

    def __init__(self, skip_channels: int, channels: int, out_channels: int, nearest: bool) -> None:
        super().__init__()
        self.nearest = nearest
        self.lateral = _two_convolutions(channels, channels, channels)
        self.skip = _two_convolutions(skip_channels, 4 * channels, channels)
        self.post = nn.Conv2d(channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor, skip: Tensor, size: int) -> Tensor:
        """Mask features [N, C, h, w] and skip features of the same size to [N, out, size, size]."""
        x = self.lateral(x) + self.skip(skip)
        x = F.interpolate(x, size=(size, size)) if self.nearest else upsample(x, size)
        out: Tensor = self.post(x)
        return out


class Refine(nn.Module):
    """SiamMask's refine module, a top-down decoder after SharpMask (Pinheiro et al. 2016)."""

    def __init__(
        self, in_channels: int, channels: tuple[int, ...], skips: Channels, nearest: bool = False
    ) -> None:
        super().__init__()
        deep, middle, fine = channels
        self.expand = nn.ConvTranspose2d(in_channels, deep, 15)
        self.deep = RefineStep(skips.conv3, deep, middle, nearest)
        self.middle = RefineStep(skips.stride4, middle, fine, nearest)
        self.fine = RefineStep(skips.stride2, fine, 1, nearest)
        self._initialise(in_channels)

    def forward(self, vector: Tensor, windows: Windows) -> Tensor:
        """Mask vectors [N, C, 1, 1] and :class:`Windows` to mask logits [N, 1, 127, 127]."""
        x = self.deep(self.expand(vector), windows.conv3, int(windows.stride4.shape[-1]))
        x = self.middle(x, windows.stride4, int(windows.stride2.shape[-1]))
        logits: Tensor = self.fine(x, windows.stride2, MASK_SIZE)
        return logits

    def _initialise(self, in_channels: int) -> None:
        """Keep the signal's magnitude from layer to layer; torch's defaults let it vanish without norms."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                _zero(module.bias)
        # Each output cell of the expansion depends on one input cell, so its fan-in is the vector's length.
        nn.init.normal_(self.expand.weight, std=in_channels**-0.5)
        _zero(self.expand.bias)
        nn.init.normal_(self.fine.post.weight, std=0.01)  # initial masks near probability 0.5


def _zero(bias: Tensor | None) -> None:
    assert bias is not None
    nn.init.zeros_(bias)


def _two_convolutions(cin: int, middle: int, cout: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(cin, middle, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(middle, cout, 3, padding=1),
        nn.ReLU(inplace=True),
    )
