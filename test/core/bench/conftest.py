"""A small random SiamMask++ and its model folder."""

import pytest


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("torch")
    from random_network import random_network

    from siammaskpp_core.network.config import NetworkConfig

    # With 64 mask channels, composing them with the expansion saves weights.
    config = NetworkConfig(head_channels=8, mask_channels=64, refine_channels=(8, 4, 2))
    return random_network(config, random_levels=True)


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    pytest.importorskip("onnx")
    from siammaskpp_core.engines.export.onnx import write_model
    from siammaskpp_core.tracking import TrackingConfig

    path = tmp_path_factory.mktemp("bench")
    write_model(network, TrackingConfig(), path)
    return path
