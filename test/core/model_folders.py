"""Model folders for tests: untrained networks of the family, and int8 twins."""

import fcntl
from pathlib import Path

import numpy as np
import pytest

from siammaskpp_core.engines.load import DEFAULT_MODEL
from siammaskpp_core.model.folder import Model, read_model
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.tracking import TrackingConfig

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
    "narrow resnet50": {"backbone": "resnet50", "head_channels": 8, "mask_channels": 16},
    "up_channel": {"head_channels": 8, "correlation": "up_channel", "mask": "none"},
    "cross": {"head_channels": 8, "correlation": "cross", "mask": "none", "anchor_ratios": (1.0,)},
}
# With 64 mask channels, fusing the heads with the expansion saves weights.
SMALL = NetworkConfig(head_channels=8, mask_channels=64, refine_channels=(8, 4, 2))
SMALL_TRACKING = TrackingConfig(penalty_k=0.07)


def narrow_resnets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build ResNets with one block in each stage and a quarter of the channels: all layers, little work."""
    from torchvision.models.resnet import Bottleneck

    from siammaskpp_core.network.backbones.base import Channels
    from siammaskpp_core.network.backbones.resnet import ResNet50

    monkeypatch.setattr(ResNet50, "BLOCKS", (1, 1, 1, 1))
    monkeypatch.setattr(ResNet50, "channels", Channels(64, 64, 128, 256, 512))
    monkeypatch.setattr(Bottleneck, "expansion", 1)


class ModelFolders:
    """Model folders by name; each is made once, by the process of a test run that needs it first.

    A name is `small` (:data:`SMALL` with random levels), a key of :data:`CONFIGS`, a file of config/networks
    or `lite`, which is the model of the package. With ` int8` behind it, it is the int8 twin for TensorRT.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def __call__(self, name: str) -> Model:
        if name == "lite":
            return read_model(DEFAULT_MODEL)
        folder = self._folder / name
        base = name.removesuffix(" int8")
        original = self(base) if base != name else None
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished = self._folder / f"{name}.unfinished"
                if original is None:
                    _export(name, unfinished)
                else:
                    _quantise(original, unfinished)
                unfinished.rename(folder)
        return read_model(folder)


def small_network():
    """Return the network of the model folder `small`."""
    pytest.importorskip("torch")
    from random_network import random_network

    return random_network(SMALL, random_levels=True)


def _export(kind: str, folder: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from siammaskpp_core.engines.export.onnx import write_model
    from siammaskpp_core.network.siammaskpp import SiamMaskPP
    from siammaskpp_core.training.experiment import read_experiment

    torch.manual_seed(0)
    folder.mkdir()
    if kind == "small":
        write_model(small_network(), SMALL_TRACKING, folder)
        return
    if kind in CONFIGS:
        config = NetworkConfig(**CONFIGS[kind])
    else:
        config = read_experiment(ROOT / "config" / "networks" / f"{kind}.yaml").network
    with pytest.MonkeyPatch.context() as monkeypatch:
        if kind.startswith("narrow"):
            narrow_resnets(monkeypatch)
        write_model(SiamMaskPP(config).eval(), TrackingConfig(), folder)


def _quantise(model: Model, folder: Path) -> None:
    from siammaskpp_core.engines.export import quantise

    rng = np.random.default_rng(0)

    def smooth(side):
        return np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((32, 32, 1)))[:side, :side].astype(np.uint8)

    crops = [(smooth(127), smooth(255)) for _ in range(quantise.CHECK_EVERY)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(quantise, "TOLERANCE", np.inf)  # four crops are enough to build, not to be good
        quantise.quantise_model(model.folder, folder, crops, symmetric=True)
