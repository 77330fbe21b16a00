"""Small pictures to train on; stand-ins beside the tests can be imported."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import siammaskpp_core  # noqa: F401  # before tests import onnxruntime: it turns the telemetry off

sys.path.insert(0, str(Path(__file__).parent))


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
