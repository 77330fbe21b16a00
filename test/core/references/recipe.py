"""Compute the outputs of the reference implementations, which those of our networks must equal.

    python test/core/references/recipe.py CLONES [--checkpoints DIR] [NAME ...]

CLONES is a folder with clones at these commits:

    SiamMask_plus_plus  github.com/wowhb/SiamMask_plus_plus  ce4f702ad75d65ff3fb2e79cf3e1320dfbdcead7
    SiamMask            github.com/foolwood/SiamMask         a2b3ce3dca23b3a911d96b791e007eec6d39a625
    pysot               github.com/STVIR/pysot               d04028f8e18c6b27ee150a7c0d8aab9a1807219e

Each network gets random weights that depend only on SEED and their names, so that a test can create the same
weights without the reference code. It gets two random images, and a part of its outputs is stored in NAME.npz
with the names and shapes of its weights. With --checkpoints its state dict is saved too.
"""

from __future__ import annotations

import argparse
import importlib
import math
import subprocess
import sys
import types
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SEED = 2021
CELLS = ((0, 0), (12, 12), (5, 20), (24, 3))
"""Response cells (row, column) at which masks are compared."""
RESPONSE_STEP, COARSE_STEP, MASK_STEP = 3, 3, 5
DIVISORS = {"conv_kernel": 512, "head.3.": 40, "post0": 2, "post1": 2, "post2": 8}
ANCHORS = {"stride": 8, "ratios": [0.33, 0.5, 1, 2, 3], "scales": [8], "round_dight": 0}

Outputs = tuple[Tensor, Tensor, Tensor | None, Callable[[tuple[int, int]], Tensor] | None]


def seeded_weights(names: Iterable[str], shapes: Iterable[tuple[int, ...]]) -> dict[str, Tensor]:
    """Random weights that keep the magnitude of a signal from raw pixels near one in a deep network."""
    return {name: _seeded(name, shape) for name, shape in zip(names, shapes, strict=True)}


def _seeded(name: str, shape: tuple[int, ...]) -> Tensor:
    rng = np.random.default_rng((SEED, zlib.crc32(name.encode())))
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        values = rng.uniform(0.5, 1.5, shape)
        if name.endswith("bn3.weight"):  # so that residuals do not add up
            values *= 0.3
    elif len(shape) == 1:
        values = rng.normal(0, 0.1, shape)
    else:
        fan_in = shape[0] if "deconv" in name else math.prod(shape[1:])
        values = rng.normal(0, math.sqrt(2 / fan_in), shape)
        if shape[1] == 3:  # pixels from 0 to 255
            values /= 128
        if "deconv" in name and shape[0] == 256:  # reads the correlation itself, not the output of its head
            values /= 16
        # A correlation is the sum of 25 products of positive numbers; this keeps outputs near one.
        values /= next((d for part, d in DIVISORS.items() if part in name), 1)
    return torch.from_numpy(values.astype(np.float32))


def seeded_pictures() -> tuple[Tensor, Tensor]:
    """A template and a search image, uint8 [1, side, side, 3]."""
    rng = np.random.default_rng(SEED)
    sides = (127, 255)
    template, search = (torch.from_numpy(rng.integers(0, 256, (1, n, n, 3), dtype=np.uint8)) for n in sides)
    return template, search


def _raw(picture: Tensor) -> Tensor:
    return picture.permute(0, 3, 1, 2).float().contiguous()


def siammaskpp(clones: Path, form: str) -> torch.nn.Module:
    """The authors' SiamMask++; their `re` experiment imports a module that the repository lacks."""
    root = clones / "SiamMask_plus_plus"
    experiment = {"bi": "siammask_plus_plus_base", "re": "re_siammask_plus_plus"}[form]
    sys.path[:0] = [str(root), str(root / "experiments" / experiment)]
    missing = types.ModuleType("models.siammask_sharp")
    missing.SiamMask = importlib.import_module(f"models.siammask_plus_plus_{form}").SiamMask_pp
    sys.modules["models.siammask_sharp"] = missing
    network: torch.nn.Module = importlib.import_module("custom").Custom(anchors=ANCHORS)
    return network


def siammask(clones: Path, form: str) -> torch.nn.Module:
    """SiamMask of the form base or sharp."""
    root = clones / "SiamMask"
    sys.path[:0] = [str(root), str(root / "experiments" / f"siammask_{form}")]
    network: torch.nn.Module = importlib.import_module("custom").Custom(anchors=ANCHORS)
    return network


def pysot(clones: Path, experiment: str) -> torch.nn.Module:
    """The network of a PySOT experiment."""
    root = clones / "pysot"
    sys.path[:0] = [str(root)]
    importlib.import_module("pysot.core.config").cfg.merge_from_file(
        root / "experiments" / experiment / "config.yaml"
    )
    network: torch.nn.Module = importlib.import_module("pysot.models.model_builder").ModelBuilder()
    return network


def run_siammask(network: torch.nn.Module, template: Tensor, search: Tensor) -> Outputs:
    """Outputs of SiamMask and SiamMask++."""
    network.template(template)
    cls, loc, coarse = network.track_mask(search)
    return cls, loc, coarse, network.track_refine if hasattr(network, "refine_model") else None


def run_pysot(network: torch.nn.Module, template: Tensor, search: Tensor) -> Outputs:
    """Outputs of PySOT's networks."""
    network.template(template)
    answer = network.track(search)
    return (
        answer["cls"],
        answer["loc"],
        answer["mask"],
        network.mask_refine if answer["mask"] is not None else None,
    )


REFERENCES = {
    "siammaskpp_bi": ("siammaskpp-authors", lambda c: siammaskpp(c, "bi"), run_siammask),
    "siammaskpp_re": ("siammaskpp-authors", lambda c: siammaskpp(c, "re"), run_siammask),
    "siammask_base": ("siammask", lambda c: siammask(c, "base"), run_siammask),
    "siammask_sharp": ("siammask", lambda c: siammask(c, "sharp"), run_siammask),
    "siammask_r50_l3": ("pysot-siammask", lambda c: pysot(c, "siammask_r50_l3"), run_pysot),
    "siamrpn_r50_l234": ("pysot-siamrpn", lambda c: pysot(c, "siamrpn_r50_l234_dwxcorr"), run_pysot),
}
"""By name of the file: layout of the weights, and functions that create and run the network."""


def make(name: str, clones: Path, checkpoints: Path | None) -> dict[str, np.ndarray]:
    """Return the arrays of NAME.npz."""
    _, build, run = REFERENCES[name]
    network = build(clones)
    state = network.state_dict()
    shapes = [tuple(value.shape) for value in state.values()]
    network.load_state_dict(seeded_weights(state, shapes))
    network.eval()
    if checkpoints is not None:
        content = {"epoch": 20, "arch": "Custom", "state_dict": network.state_dict(), "anchor_cfg": ANCHORS}
        torch.save(content, checkpoints / f"{name}.pth")
    with torch.no_grad():
        cls, loc, coarse, refine = run(network, *map(_raw, seeded_pictures()))
        numbers = {
            "cls": cls[..., ::RESPONSE_STEP, ::RESPONSE_STEP],
            "loc": loc[..., ::RESPONSE_STEP, ::RESPONSE_STEP],
        }
        if coarse is not None:
            picked = torch.stack([coarse[0, :, row, column].view(63, 63) for row, column in CELLS])
            numbers["coarse"] = picked[:, ::COARSE_STEP, ::COARSE_STEP]
            up = torch.nn.UpsamplingBilinear2d(size=[127, 127])
            masks = (
                torch.stack([refine(cell).view(127, 127) for cell in CELLS])
                if refine
                else up(picked[:, None])[:, 0]
            )
            numbers["mask"] = masks[:, ::MASK_STEP, ::MASK_STEP]
    return {
        "names": np.array(list(state)),
        "shapes": np.array([",".join(map(str, shape)) for shape in shapes]),
        **{key: value.numpy() for key, value in numbers.items()},
    }


def main() -> None:
    """Write all files, with a process per network, because their modules have the same names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clones", type=Path)
    parser.add_argument("names", nargs="*", default=list(REFERENCES))
    parser.add_argument("--checkpoints", type=Path)
    options = parser.parse_args()
    if len(options.names) > 1:
        extra = ["--checkpoints", str(options.checkpoints)] if options.checkpoints else []
        for name in options.names:
            subprocess.run([sys.executable, __file__, str(options.clones), name, *extra], check=True)
        return
    (name,) = options.names
    numbers = make(name, options.clones, options.checkpoints)
    np.savez_compressed(Path(__file__).with_name(f"{name}.npz"), **numbers)
    sizes = ", ".join(f"{k} {np.abs(v).max():.2f}" for k, v in numbers.items() if v.dtype == np.float32)
    print(f"{name}: {len(numbers['names'])} tensors; largest values: {sizes}")


if __name__ == "__main__":
    main()
