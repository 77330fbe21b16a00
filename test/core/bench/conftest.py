"""A small random SiamMask++ and its model folder."""

import pytest


@pytest.fixture(scope="module")
def network():
    torch = pytest.importorskip("torch")
    from siammaskpp_core.network.config import NetworkConfig
    from siammaskpp_core.network.siammaskpp import SiamMaskPP

    torch.manual_seed(0)
    # With 64 mask channels, composing them with the expansion saves weights.
    model = SiamMaskPP(NetworkConfig(head_channels=8, mask_channels=64, refine_channels=(8, 4, 2)))
    for head in (model.cls, model.loc, model.mask):
        torch.nn.init.normal_(head.level_logits)
    noise = torch.randint(0, 256, (1, 255, 255, 3), dtype=torch.uint8)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.search(noise, model.template(noise[:, :127, :127]))
    return model.eval()


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    pytest.importorskip("onnx")
    from siammaskpp_core.engines.export.onnx import write_model
    from siammaskpp_core.tracking import TrackingConfig

    path = tmp_path_factory.mktemp("bench")
    write_model(network, TrackingConfig(), path)
    return path
