"""ResNet-50 and ResNeXt-50 from torchvision's blocks, with the changes of SiamRPN++ and SiamMask."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from siammaskpp_core.errors import extra
from siammaskpp_core.network.backbones.base import Backbone, Channels


class ResNet50(Backbone):
    """ResNet-50 at stride 8: conv4 and conv5 are dilated by 2 and 4 (SiamRPN++, section 3.1).

    As in the reference implementation, the stem and the stride-2 layers of conv3 have no padding, so that a
    crop of 255 px gives 125, 63 and 31 cells, and the shortcuts into conv3 to conv5 are 3x3 convolutions.
    """

    channels = Channels(64, 256, 512, 1024, 2048)
    BLOCKS = (3, 4, 6, 3)
    GROUPS, WIDTH_PER_GROUP = 1, 64
    TORCHVISION = "ResNet50_Weights"

    def __init__(self, pixel_format: str, deepest: str) -> None:
        with extra("train", "for ResNets"):
            from torchvision.models.resnet import Bottleneck, ResNet
        net = ResNet(
            Bottleneck,
            list(self.BLOCKS),
            groups=self.GROUPS,
            width_per_group=self.WIDTH_PER_GROUP,
            replace_stride_with_dilation=[False, True, True],
        )
        net.conv1.padding = (0, 0)
        net.layer2[0].conv2.padding = (0, 0)
        for layer, padding in ((net.layer2, 0), (net.layer3, 1), (net.layer4, 2)):
            _widen_shortcut(layer[0], padding)
        stages = (
            OrderedDict(conv1=net.conv1, bn1=net.bn1, relu=net.relu),
            OrderedDict(maxpool=net.maxpool, layer1=net.layer1),
            OrderedDict(layer2=net.layer2),
            OrderedDict(layer3=net.layer3),
            OrderedDict(layer4=net.layer4),
        )
        super().__init__(map(nn.Sequential, stages), pixel_format, deepest)

    def load_imagenet(self) -> None:
        """Load torchvision's ImageNet weights, which torchvision downloads once."""
        from torchvision import models

        weights = getattr(models, self.TORCHVISION).IMAGENET1K_V1
        self.load_torchvision(weights.get_state_dict(check_hash=True))

    def load_torchvision(self, weights: Mapping[str, Tensor]) -> None:
        """Load the state dict of torchvision's classifier; raises KeyError when it is of another network."""
        self._load_reference(weights, classifier="fc")


class ResNeXt50(ResNet50):
    """ResNeXt-50 32x4d with the changes of :class:`ResNet50`."""

    GROUPS, WIDTH_PER_GROUP = 32, 4
    TORCHVISION = "ResNeXt50_32X4D_Weights"


def _widen_shortcut(block: nn.Module, padding: int) -> None:
    """Replace the block's 1x1 shortcut by a 3x3 one whose dilation equals its padding."""
    narrow, norm = block.downsample  # type: ignore[misc]
    wide = nn.Conv2d(
        narrow.in_channels,
        narrow.out_channels,
        3,
        narrow.stride,
        padding,
        max(padding, 1),
        bias=False,
    )
    nn.init.kaiming_normal_(wide.weight, mode="fan_out", nonlinearity="relu")
    block.downsample = nn.Sequential(wide, norm)
