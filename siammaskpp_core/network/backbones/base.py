"""The base class of backbones, whose layers are symmetric about the centre of the crop.

Padding that is not symmetric about the centre moves the response peak away from the target, and the tracker
drifts. Feature maps have an odd number of cells, so that the central cell sees the central pixel; only those
of AlexNet may be even. For a search region of 255 px the maps at strides 2, 4 and 8 have 127 (ResNets: 125),
63 and 31 cells, for a template of 127 px about half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siammaskpp_core.network.config import LEVELS


class Features(NamedTuple):
    """Feature maps of a crop, NCHW; levels deeper than the deepest one that the network uses are None."""

    stride2: Tensor
    stride4: Tensor
    conv3: Tensor
    conv4: Tensor | None = None
    conv5: Tensor | None = None


class Channels(NamedTuple):
    """The number of channels of each of the :class:`Features`."""

    stride2: int
    stride4: int
    conv3: int
    conv4: int
    conv5: int


class Backbone(nn.Module):
    """A feature extractor: NHWC uint8 BGR pixels in, :class:`Features` out.

    It has one stage for each of the features; stages after the level `deepest` are left out.
    """

    channels: ClassVar[Channels]
    template_cells: ClassVar[int] = 7
    """Side of the central part of the template's map that the target covers, in cells."""
    MEAN_RGB: ClassVar[tuple[float, float, float]] = (123.675, 116.28, 103.53)
    STD_RGB: ClassVar[tuple[float, float, float]] = (58.395, 57.12, 57.375)
    mean_rgb: Tensor
    std_rgb: Tensor

    def __init__(self, stages: Iterable[nn.Module], pixel_format: str, deepest: str) -> None:
        super().__init__()
        self.pixel_format = pixel_format
        all_stages, count = list(stages), 3 + LEVELS.index(deepest)
        self.stages = nn.ModuleList(all_stages[:count])
        self._left_out = {name for stage in all_stages[count:] for name, _ in stage.named_children()}
        self.register_buffer("mean_rgb", torch.tensor(self.MEAN_RGB).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std_rgb", torch.tensor(self.STD_RGB).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Features:
        """The features of every stage for pixels uint8 BGR [B, H, W, 3]."""
        x = self._prepare(pixels)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return Features(*maps)

    def load_imagenet(self) -> None:
        """Load the weights of an ImageNet classifier.

        Raises MissingPackageError when the package with the weights is not installed.
        """
        raise NotImplementedError

    def _prepare(self, pixels: Tensor) -> Tensor:
        """Convert NHWC uint8 BGR to NCHW float: raw, or RGB normalised as in the pretraining."""
        x = pixels.permute(0, 3, 1, 2)
        if self.pixel_format == "raw":
            return x.float()
        return (x[:, [2, 1, 0]].float() - self.mean_rgb) / self.std_rgb

    def _load_reference(self, weights: Mapping[str, Tensor], classifier: str) -> None:
        """Load a reference state dict, whose names are those of the stages' children.

        A 1x1 kernel becomes the centre of a 3x3 one, which is the same function. The `classifier` and the
        stages that are left out are skipped. Raises KeyError for other missing or unexpected names.
        """
        own = {name.split(".", 2)[2]: name for name in self.state_dict()}
        skipped = {classifier, *self._left_out}
        given = {name: value for name, value in weights.items() if name.partition(".")[0] not in skipped}
        for problem, names in (("missing", set(own) - set(given)), ("unexpected", set(given) - set(own))):
            if names:
                raise KeyError(f"not the weights of this backbone; {problem}: {', '.join(sorted(names)[:3])}")
        shapes = {name: value.shape for name, value in self.state_dict().items()}
        self.load_state_dict({own[name]: _fit(value, shapes[own[name]]) for name, value in given.items()})


def upsample(x: Tensor, size: int) -> Tensor:
    """Double the resolution of NCHW `x` bilinearly about its centre, to `size` x `size` cells.

    This inverts a stride-2 layer that is symmetric about the centre. From n cells, size 2n-1 places input
    cell i at output cell 2i, size 2n+1 at 2i+1, and size 2n+5 at 2i+3. Border cells are repeated.
    """
    if x.is_cuda:  # two matrix products: torch's own kernel takes a fifth of a training step
        weights = upsampling_weights(int(x.shape[-1]), size).to(x)
        return torch.transpose(torch.transpose(x @ weights.T, -1, -2) @ weights.T, -1, -2)
    surplus = (size - (2 * int(x.shape[-1]) - 1)) // 2
    pad = (surplus + 1) // 2
    crop = 2 * pad - surplus
    if pad:
        x = F.pad(x, (pad,) * 4, mode="replicate")
    x = F.interpolate(x, size=(size + 2 * crop,) * 2, mode="bilinear", align_corners=True)
    return x[..., crop:-crop, crop:-crop] if crop else x


@cache
def upsampling_weights(cells: int, size: int) -> Tensor:
    """The matrix [size, cells] that :func:`upsample` applies along one axis, from its impulse responses."""
    rows = torch.eye(cells)[:, None, :, None].expand(cells, 1, cells, cells)
    return upsample(rows, size)[:, 0, :, 0].T.contiguous()


def _fit(weight: Tensor, shape: torch.Size) -> Tensor:
    """Pad a 1x1 kernel to 3x3 where `shape` asks for it."""
    if weight.ndim == 4 and weight.shape[-1] == 1 and shape[-1] == 3:
        return F.pad(weight, (1, 1, 1, 1))
    return weight
