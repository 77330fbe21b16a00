"""MobileNetV2 from torchvision's blocks, with the changes of SiamRPN++."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from siammaskpp_core.errors import extra
from siammaskpp_core.network.backbones.base import Backbone, Channels


class MobileNetV2(Backbone):
    """MobileNetV2 at stride 8: conv4 and conv5 are dilated by 2 and 4, stride-2 layers have no padding."""

    channels = Channels(16, 24, 32, 96, 320)
    # Layers of torchvision's `features` at which a stage begins.
    STAGES = (0, 2, 4, 7, 14, 18)
    # First layers at torchvision's strides 16 and 32, where the dilation doubles.
    DILATIONS = ((7, 2), (14, 4))

    def __init__(self, pixel_format: str, deepest: str) -> None:
        with extra("train", "for MobileNetV2"):
            from torchvision.models.mobilenetv2 import mobilenet_v2
        layers = mobilenet_v2().features
        for index, layer in enumerate(layers[: self.STAGES[-1]]):
            for module in layer.modules():
                if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
                    _atrous(module, index)
        ends = zip(self.STAGES, self.STAGES[1:], strict=False)
        named = ([(str(i), layers[i]) for i in range(first, end)] for first, end in ends)
        super().__init__((nn.Sequential(OrderedDict(stage)) for stage in named), pixel_format, deepest)

    def load_imagenet(self) -> None:
        """Load torchvision's ImageNet weights, which torchvision downloads once."""
        from torchvision.models import MobileNet_V2_Weights

        self.load_torchvision(MobileNet_V2_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True))

    def load_torchvision(self, weights: Mapping[str, Tensor]) -> None:
        """Load the state dict of torchvision's classifier; raises KeyError when it is of another network."""
        prefix, last = "features.", str(self.STAGES[-1])
        features = {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
        self._load_reference(features, classifier=last)


def _atrous(convolution: nn.Conv2d, layer: int) -> None:
    """Dilate a 3x3 convolution of a layer so that stride 8 is kept, with symmetric padding."""
    dilation = 1
    for first, value in MobileNetV2.DILATIONS:
        if layer == first:
            # The first layer of a former stride still reads the finer map.
            dilation, convolution.stride = value // 2, (1, 1)
        elif layer > first:
            dilation = value
    convolution.dilation = (dilation, dilation)
    padding = 0 if convolution.stride == (2, 2) else dilation
    convolution.padding = (padding, padding)
