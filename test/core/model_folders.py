"""Model folders for tests: untrained networks of the family, and int8 twins."""

from pathlib import Path

import numpy as np
import pytest

from siammaskpp_core.model.folder import read_model

ROOT = Path(__file__).parents[2]
CONFIGS = {
    "two branches a level": {"head_channels": 8, "mask_channels": 16, "refine_channels": (8, 4, 2)},
    "coarse masks": {"head_channels": 8, "mask": "bi", "mask_channels": 25},
    "correlation decoded": {
        "head_channels": 8,
        "refine_input": "correlation",
        "refine_upsampling": "nearest",
    },
    "no masks": {"head_channels": 8, "levels": ("conv4",), "mask": "none"},
    "resnet50": {"backbone": "resnet50", "head_channels": 8, "mask_channels": 16},
    "up_channel": {"head_channels": 8, "correlation": "up_channel", "mask": "none"},
    "cross": {"head_channels": 8, "correlation": "cross", "mask": "none", "anchor_ratios": (1.0,)},
}


def exported(kind: str, folder: Path):
    """An untrained network of the family as a model folder: one of the small ones, or a configuration's."""
    torch = pytest.importorskip("torch")
    from siammaskpp_core.engines.export.onnx import write_model
    from siammaskpp_core.network.config import NetworkConfig
    from siammaskpp_core.network.siammaskpp import SiamMaskPP
    from siammaskpp_core.tracking import TrackingConfig
    from siammaskpp_core.training.experiment import read_experiment

    torch.manual_seed(0)
    folder.mkdir()
    if kind in CONFIGS:
        config = NetworkConfig(**CONFIGS[kind])
    else:
        config = read_experiment(ROOT / "config" / "networks" / f"{kind}.yaml").network
    write_model(SiamMaskPP(config).eval(), TrackingConfig(), folder)
    return read_model(folder)


def quantised(model, folder):
    from siammaskpp_core.engines.export import quantise

    rng = np.random.default_rng(0)

    def smooth(side):
        return np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((32, 32, 1)))[:side, :side].astype(np.uint8)

    crops = [(smooth(127), smooth(255)) for _ in range(quantise.CHECK_EVERY)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(quantise, "TOLERANCE", np.inf)  # four crops are enough to build, not to be good
        quantise.quantise_model(model.folder, folder, crops, symmetric=True)
    return read_model(folder)
