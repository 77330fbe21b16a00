"""Model folders and small pictures to train on; stand-ins beside the tests can be imported."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import siammaskpp_core  # noqa: F401  # before tests import onnxruntime: it turns the telemetry off

sys.path.insert(0, str(Path(__file__).parent))

from model_folders import ModelFolders, small_network


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> ModelFolders:
    """Model folders by name, shared by the processes of pytest-xdist; tests must not change them."""
    own = tmp_path_factory.getbasetemp()
    return ModelFolders((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "models")


@pytest.fixture(scope="session")
def network():
    """The network of the model folder `small`; tests must not change it."""
    return small_network()


@pytest.fixture(scope="session")
def training_data(tmp_path_factory):
    """A folder with the source `masks:stills`: pictures with one disc each and its mask."""
    root = tmp_path_factory.mktemp("training")
    rng = np.random.default_rng(0)
    for folder in ("stills/images", "stills/masks"):
        (root / folder).mkdir(parents=True)
    for index in range(4):
        picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (160, 120))
        mask = np.zeros((120, 160), np.uint8)
        cv2.circle(mask, (60 + 10 * index, 60), 25, 255, -1)
        picture[mask > 0] = (40, 60 * index, 220)
        cv2.imwrite(str(root / f"stills/images/{index}.jpg"), picture)
        cv2.imwrite(str(root / f"stills/masks/{index}.png"), mask)
    return root


@pytest.fixture
def plain_frozen_backbone(monkeypatch):
    """Let torch compute a frozen backbone: for a few steps, compiling it for OpenVINO takes longer."""
    torch = pytest.importorskip("torch")
    from siammaskpp_core.training import trainer

    def plain(backbone, batch, bfloat16):
        return torch.no_grad()(backbone.eval())

    monkeypatch.setattr(trainer, "FrozenBackbone", plain)
