"""The AlexNet of SiamFC and SiamRPN: stride 8, batch norms, no padding."""

from __future__ import annotations

from torch import nn

from siammaskpp_core.config import ConfigError
from siammaskpp_core.network.backbones.base import Backbone, Channels


class AlexNet(Backbone):
    """SiamFC's fully-convolutional AlexNet (Bertinetto et al. 2016, table 1), ungrouped as in SiamRPN.

    A crop of 255 px gives 22 cells and one of 127 px gives 6. conv5 has no ReLU.
    """

    channels = Channels(96, 256, 384, 384, 256)
    template_cells = 6

    def __init__(self, pixel_format: str, deepest: str) -> None:
        widths = (3, 96, 256, 384, 384, 256)
        kernels = (11, 5, 3, 3, 3)
        stages = []
        for index, kernel in enumerate(kernels):
            layers: list[nn.Module] = [
                nn.Conv2d(widths[index], widths[index + 1], kernel, stride=1 if index else 2),
                nn.BatchNorm2d(widths[index + 1]),
            ]
            if index < 2:
                layers.append(nn.MaxPool2d(3, 2))
            if index < 4:
                layers.append(nn.ReLU(inplace=True))
            stages.append(nn.Sequential(*layers))
        super().__init__(stages, pixel_format, deepest)

    def load_imagenet(self) -> None:
        """Raise :class:`ConfigError`: no public classifier has these layers."""
        raise ConfigError("there are no ImageNet weights of this AlexNet: train it with `pretrained: false`")
