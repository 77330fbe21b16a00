"""What all backbones share: odd feature maps, so that the middle cell looks at the middle pixel.

A padding that is not symmetric about the centre moves the response peak away from the target, and the
tracker drifts. All backbones are therefore padded so that every layer is symmetric about the centre. Those
at stride 8 have maps of 127 (125 in ResNets), 63 and 31 cells for the search region (255) and half as many
for the template (127).
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
    """Feature maps of a crop, NCHW; levels that the network does not use, and deeper ones, are None."""

    stride2: Tensor
    stride4: Tensor
    conv3: Tensor
    conv4: Tensor | None = None
    conv5: Tensor | None = None


class Channels(NamedTuple):
    """How many channels each of the :class:`Features` has."""

    stride2: int
    stride4: int
    conv3: int
    conv4: int
    conv5: int


class Backbone(nn.Module):
    """A feature extractor: NHWC uint8 BGR pixels in, :class:`Features` out.

    It consists of one stage for each of the features, of which those after `deepest` are left out.
    """

    channels: ClassVar[Channels]
    template_cells: ClassVar[int] = 7
    """Cells in the middle of the template's map that hold the target."""
    MEAN_RGB: ClassVar[tuple[float, float, float]] = (123.675, 116.28, 103.53)
    STD_RGB: ClassVar[tuple[float, float, float]] = (58.395, 57.12, 57.375)
    mean_rgb: Tensor
    std_rgb: Tensor

    def __init__(self, stages: Iterable[nn.Module], pixels: str, deepest: str) -> None:
        super().__init__()
        self.pixels = pixels
        all_stages, count = list(stages), 3 + LEVELS.index(deepest)
        self.stages = nn.ModuleList(all_stages[:count])
        self._left_out = {name for stage in all_stages[count:] for name, _ in stage.named_children()}
        self.register_buffer("mean_rgb", torch.tensor(self.MEAN_RGB).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std_rgb", torch.tensor(self.STD_RGB).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Features:
        """uint8 BGR [B, H, W, 3] to the features of every stage."""
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
        """NHWC uint8 BGR to NCHW float: as it is, or RGB with the mean and deviation of the pretraining."""
        x = pixels.permute(0, 3, 1, 2)
        if self.pixels == "raw":
            return x.float()
        return (x[:, [2, 1, 0]].float() - self.mean_rgb) / self.std_rgb

    def _load_published(self, weights: Mapping[str, Tensor], classifier: str) -> None:
        """Load a published state dict by name; children of the stages bear the published names.

        A 1x1 kernel goes to the centre of a 3x3 one: the same function. The `classifier` and stages that
        are left out are skipped; KeyError for anything else that is missing or too much.
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
    """Double the resolution of NCHW `x` about its centre, bilinearly, to `size` x `size` cells.

    The inverse of a stride-2 layer that is symmetric about the centre: from n cells, size 2n-1 puts
    input cell i on output cell 2i, size 2n+1 on 2i+1, size 2n+5 on 2i+3. Border cells are repeated.
    """
    if x.is_cuda:  # the same by two matrix products: torch's kernel takes a fifth of a training step
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
    """What :func:`upsample` does along one axis, [size, cells]: answers to one bright row after another."""
    rows = torch.eye(cells)[:, None, :, None].expand(cells, 1, cells, cells)
    return upsample(rows, size)[:, 0, :, 0].T.contiguous()


def _fit(published: Tensor, shape: torch.Size) -> Tensor:
    if published.ndim == 4 and published.shape[-1] == 1 and shape[-1] == 3:
        return F.pad(published, (1, 1, 1, 1))
    return published
