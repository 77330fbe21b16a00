"""Feature extractors, all at stride 8 and symmetric about the centre of the crop."""

from collections.abc import Callable

from siammaskpp_core.network.backbones.alexnet import AlexNet
from siammaskpp_core.network.backbones.base import Backbone, Channels, Features, upsample
from siammaskpp_core.network.backbones.efficientnet import EfficientNetLite0
from siammaskpp_core.network.backbones.mobilenet import MobileNetV2
from siammaskpp_core.network.backbones.resnet import ResNet50, ResNeXt50

BACKBONES: dict[str, Callable[..., Backbone]] = {
    "efficientnet_lite0": EfficientNetLite0,
    "resnet50": ResNet50,
    "resnext50": ResNeXt50,
    "mobilenet_v2": MobileNetV2,
    "alexnet": AlexNet,
}
"""Constructors of backbones by name; they take `pixel_format` and the name of the `deepest` level."""

__all__ = ["BACKBONES", "Backbone", "Channels", "Features", "upsample"]
