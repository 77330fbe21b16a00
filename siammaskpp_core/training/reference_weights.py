"""Import of checkpoints of reference implementations of the family (SiamMask++, SiamMask, PySOT).

A checkpoint is not trusted: torch reads nothing but tensors, every tensor must be one that the layout names,
and none may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from siammaskpp_core.model.folder import ModelError
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.tracking.config import TrackingConfig

_PAPER = NetworkConfig(
    backbone="resnet50",
    pixels="raw",
    head_channels=256,
    mask="re",
    mask_channels=63 * 63,
    refine_upsampling="nearest",
)
_ONE_LEVEL = replace(_PAPER, levels=("conv4",), refine_input="correlation")


@dataclass(frozen=True)
class Layout:
    """The names of a network's parts in the checkpoints of a reference implementation.

    Each part is given by the prefix of its tensors' names, "" when the network does not have it. {} stands
    for the number of a level, which counts from `first_adjust` for the adjusting layers and from 2 for heads.
    """

    network: NetworkConfig
    tracking: TrackingConfig
    backbone: str
    adjust: str
    first_adjust: int
    cls: str
    loc: str
    mask: str = ""
    refine: str = ""
    level_weights: str = ""
    mask_level_weight: str = ""


LAYOUTS = {
    "siammaskpp-authors": Layout(
        network=_PAPER,
        tracking=TrackingConfig(mask_threshold=0.3),
        backbone="features.features.",
        adjust="features.downsample{}.downsample.",
        first_adjust=1,
        cls="rpn_model.rpn{}.rpn_pred_cls.",
        loc="rpn_model.rpn{}.rpn_pred_loc.",
        mask="mask_model.mask{}.rpn_pred_mask.",
        refine="refine_model.",
        level_weights="rpn_model.",
        mask_level_weight="mask_model.",
    ),
    "siammask": Layout(
        network=_ONE_LEVEL,
        tracking=TrackingConfig(penalty_k=0.04, window_influence=0.4, size_lr=1.0, mask_threshold=0.35),
        backbone="features.features.",
        adjust="features.downsample.downsample.",
        first_adjust=1,
        cls="rpn_model.cls.",
        loc="rpn_model.loc.",
        mask="mask_model.mask.",
        refine="refine_model.",
    ),
    "pysot-siammask": Layout(
        network=_ONE_LEVEL,
        tracking=TrackingConfig(penalty_k=0.1, window_influence=0.41, size_lr=0.32, mask_threshold=0.15),
        backbone="backbone.",
        adjust="neck.downsample.downsample.",
        first_adjust=2,
        cls="rpn_head.cls.",
        loc="rpn_head.loc.",
        mask="mask_head.",
        refine="refine_head.",
    ),
    "pysot-siamrpn": Layout(
        network=replace(_PAPER, mask="none"),
        tracking=TrackingConfig(penalty_k=0.05, window_influence=0.42, size_lr=0.38),
        backbone="backbone.",
        adjust="neck.downsample{}.downsample.",
        first_adjust=2,
        cls="rpn_head.rpn{}.cls.",
        loc="rpn_head.rpn{}.loc.",
        level_weights="rpn_head.",
    ),
}
"""Layouts by the value of `--as`."""

TORCHVISION = "torchvision-resnet50"
CHOICES = (*LAYOUTS, TORCHVISION)


def import_weights(path: Path, choice: str) -> tuple[SiamMaskPP, TrackingConfig]:
    """The network in a reference checkpoint of one of the :data:`CHOICES`, and its tracking parameters.

    torchvision's classifier only provides the backbone; the rest of SiamMask++ is random (seed 0). Raises
    :class:`ModelError` that names missing and unexpected tensors and the choice that the file looks like.
    """
    weights = read_state_dict(path)
    if choice == TORCHVISION:
        torch.manual_seed(0)
        model = SiamMaskPP(replace(_PAPER, pixels="normalised", mask="bi"))
        try:
            model.backbone.load_torchvision(weights)  # type: ignore[operator]
        except (KeyError, RuntimeError) as error:
            raise ModelError(_mismatch(path, choice, str(error.args[0]), weights)) from error
        return model.eval(), TrackingConfig()
    layout = LAYOUTS[choice]
    model = SiamMaskPP(network_of(layout, weights))
    names = dict(reference_names(model, layout))
    wanted = {name for sources in names.values() for name in sources}
    for problem, keys in (("missing", wanted - set(weights)), ("unexpected", set(weights) - wanted)):
        if keys:
            listed = f"{len(keys)} names are {problem}, among them {', '.join(sorted(keys)[:3])}"
            raise ModelError(_mismatch(path, choice, listed, weights))
    state = model.state_dict()
    state |= {key: _joined([weights[name] for name in sources]) for key, sources in names.items() if sources}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(_mismatch(path, choice, str(error).partition("\n\t")[2], weights)) from error
    return model.eval(), layout.tracking


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file by name, without the prefix that DataParallel adds.

    Raises :class:`ModelError` when the file cannot be read or holds anything but tensors.
    """
    try:
        content: Any = torch.load(path, weights_only=True, map_location="cpu")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # torch raises many types for a file of another kind
        raise ModelError(
            f"{path}: not a file of plain tensors, and loading anything else could run foreign code. If you "
            "trust the file, load it where it was made and save only its state dict: "
            f"torch.save(checkpoint['state_dict'], 'weights.pth') ({str(error).splitlines()[0]})"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ModelError(f"{path}: not a state dict, which maps names to tensors")
    return {name.removeprefix("module."): value for name, value in content.items()}


def network_of(layout: Layout, weights: Mapping[str, Tensor]) -> NetworkConfig:
    """The layout's network, with masks of the form `bi` when the weights have no refine module."""
    refined = any(name.startswith(layout.refine) for name in weights) if layout.refine else False
    return layout.network if refined or not layout.mask else replace(layout.network, mask="bi")


def reference_names(model: SiamMaskPP, layout: Layout) -> Iterator[tuple[str, list[str]]]:
    """Each name in the model's state dict with the reference names whose tensors are concatenated to fill it.

    The list is empty for the level weights of a network with a single level, where they have no effect.
    """
    sides = {"template_side": "conv_kernel", "search_side": "conv_search"}
    prefixes = {"cls": layout.cls, "loc": layout.loc, "mask": layout.mask}
    for key in model.state_dict():
        part, _, rest = key.partition(".")
        if part == "backbone":
            yield key, [layout.backbone + key.split(".", 3)[3]]
        elif part == "refine":
            yield key, [layout.refine + _refine_name(rest)]
        elif part == "levels":
            level, kind, rest = rest.split(".", 2)
            if kind == "adjust":
                yield key, [layout.adjust.format(int(level) + layout.first_adjust) + rest]
            else:
                branch, side, rest = rest.split(".", 2)
                branches = (layout.cls, layout.loc) if branch == "0" else (layout.mask,)
                yield key, [f"{prefix.format(int(level) + 2)}{sides[side]}.{rest}" for prefix in branches]
        elif rest == "level_logits":
            prefix = layout.mask_level_weight if part == "mask" else layout.level_weights
            yield key, [f"{prefix}{part}_weight"] if prefix else []
        else:
            _, level, rest = rest.split(".", 2)
            yield key, [f"{prefixes[part].format(int(level) + 2)}head.{rest}"]


def _refine_name(name: str) -> str:
    """The reference name of a refine tensor: `v2.0.weight` for `deep.skip.0.weight`, and so on."""
    if name.startswith("expand."):
        return name.replace("expand.", "deconv.")
    step, kind, rest = name.split(".", 2)
    fine = {"deep": 2, "middle": 1, "fine": 0}[step]
    return {"lateral": f"h{fine}.", "skip": f"v{fine}.", "post": f"post{2 - fine}."}[kind] + rest


def _joined(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if tensors[0].ndim == 0 else torch.cat(tensors)


def _mismatch(path: Path, choice: str, problem: str, weights: Mapping[str, Tensor]) -> str:
    """The message for a file that is not of `choice`, with a hint which choice it may be of."""
    likely = looks_like(weights)
    if likely and likely != choice:
        hint = f"It looks like a file for --as {likely}"
    else:
        hint = (
            f"It looks like none of {', '.join(CHOICES)}" if not likely else "It may be damaged or incomplete"
        )
    return f"{path} is not a file for --as {choice}: {problem}. {hint}"


def looks_like(weights: Mapping[str, Tensor]) -> str | None:
    """The choice whose parts appear in the names of the weights; None when there is none."""
    if {"conv1.weight", "layer4.2.conv3.weight"} <= set(weights):
        return TORCHVISION
    for choice, layout in LAYOUTS.items():
        parts = (layout.backbone, layout.adjust, layout.cls, layout.loc, layout.mask)
        patterns = [re.escape(part).replace(r"\{\}", r"\d") for part in parts if part]
        if all(any(re.match(pattern, name) for name in weights) for pattern in patterns):
            return choice
    return None
