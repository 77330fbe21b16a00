"""How a network is trained."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, ConfigError, option


@dataclass(frozen=True)
class TrainingConfig(Checked):
    """Data, augmentation, losses and schedule."""

    sources: tuple[str, ...] = option(("masks:.",), "kind:folder under the data folder")
    source_weights: tuple[float, ...] = option((1.0,), "how often each source is drawn", low=0.0)
    source_frame_ranges: tuple[int, ...] = option(
        (0,), "by source, how far apart a pair's frames may be in a video", low=0, unit="frames"
    )

    stage: str = option(
        "base",
        "what is learned; base: all losses, bi and re: the mask loss alone, with that form of mask",
        choices=("base", "bi", "re"),
    )
    steps: int = option(4000, "optimiser steps", low=1)
    batch_size: int = option(16, "pairs a step, those of all processes together", low=1, high=65536)
    optimizer: str = option("adamw", "AdamW, or SGD with momentum 0.9", choices=("adamw", "sgd"))
    learning_rate: float = option(1e-3, "peak rate", low=0.0, high=1.0)
    schedule: str = option(
        "cosine",
        "how the rate falls; cosine: a little every step, epochs: by the same factor every epoch",
        choices=("cosine", "epochs"),
    )
    epochs: int = option(20, "equal parts of the run with one rate each (schedule epochs)", low=1)
    warmup: float = option(0.025, "share of the run in which the rate rises to the peak", low=0.0, high=0.9)
    first_rate: float = option(
        0.0, "where the rate begins to rise, as a share of the peak", low=0.0, high=1.0
    )
    final_rate: float = option(0.02, "last rate, as a share of the peak", low=1e-6, high=1.0)
    weight_decay: float = option(
        1e-2, "of weights; biases, batch norms and level weights do not decay", low=0.0, high=1.0
    )
    gradient_norm: float = option(5.0, "gradients are cut to this norm", low=0.0)
    average_decay: float = option(
        0.998, "decay of the averaged weights that are exported; 0: the last weights", low=0.0, high=1.0
    )
    pretrained: bool = option(True, "start the backbone from ImageNet weights")
    unfreeze_at: float = option(
        1.0, "share of the run after which the backbone learns too; 1: never", low=0.0, high=1.0
    )
    backbone_rate: float = option(0.1, "rate of the backbone, as a share of the others'", low=0.0, high=1.0)
    batch_norm: str = option(
        "sync",
        "statistics of batch norms; sync: of all processes (GPUs), local: of each process, frozen: stay",
        choices=("sync", "local", "frozen"),
    )
    backbone_norms: bool = option(True, "the backbone's batch norms learn where it learns; false: they stay")
    precision: str = option(
        "bf16-mixed", "numbers in the network", choices=("32-true", "bf16-mixed", "16-mixed")
    )
    save_every: int = option(200, "steps from one checkpoint to the next", low=1)
    seed: int = option(0, "seed of all random draws", low=0)

    anchor_choice: str = option(
        "hard",
        "anchors that count; hard: every target anchor, 16 hardest and 32 random others of a pair, "
        "random: at most 16 target anchors of 64 random ones, as published",
        choices=("hard", "random"),
    )
    cls_weight: float = option(1.0, "A: weight of the classification loss", low=0.0)
    loc_weight: float = option(1.2, "B: weight of the box loss", low=0.0)
    mask_weight: float = option(36.0, "C: weight of the mask loss", low=0.0)
    overlap_weight: float = option(
        0.0, "weight of the masks' Dice loss, which small and large objects share alike", low=0.0
    )
    smooth_l1_omega: float = option(3.0, "omega of the smooth L1 loss", low=0.1, high=10.0)
    mask_positions: int = option(4, "positive cells a pair whose masks are learned", low=1, high=64)

    negative_share: float = option(
        0.2, "share of pairs without the target in the search region", low=0.0, high=1.0
    )
    covered_share: float = option(
        0.0, "share of those pairs where another object covers the target instead", low=0.0, high=1.0
    )
    alike_share: float = option(
        0.0,
        "share of the other objects, pasted or in the target's stead, that are of its category, where known",
        low=0.0,
        high=1.0,
    )
    beside_share: float = option(
        0.0,
        "share of pairs of one picture without the target, if not covered, that show another object of "
        "its category in that picture, where known; the target may stand at the side",
        low=0.0,
        high=1.0,
    )
    part_share: float = option(
        0.0, "share of pairs of one picture whose target is a part of the object", low=0.0, high=1.0
    )
    board_share: float = option(
        0.0, "share of covered targets that are behind a rectangle of another picture", low=0.0, high=1.0
    )
    search_shift: float = option(
        64.0, "shift of the target in the search region", low=0.0, high=127.0, unit="px"
    )
    small_shift_share: float = option(0.4, "share of pairs with a quarter of that shift", low=0.0, high=1.0)
    search_scale: float = option(0.18, "log scale change of the search region", low=0.0, high=1.0)
    large_scale_share: float = option(
        0.0,
        "share of pairs with three times that change, as where the tracker's box has stayed behind",
        low=0.0,
        high=1.0,
    )
    template_shift: float = option(4.0, "shift of the target in the template", low=0.0, high=63.0, unit="px")
    template_scale: float = option(0.05, "log scale change of the template", low=0.0, high=1.0)
    rotation: float = option(12.0, "rotation of either crop", low=0.0, high=180.0, unit="deg")
    aspect: float = option(0.1, "log change of the aspect ratio", low=0.0, high=1.0)
    bend: float = option(
        0.0,
        "displacement of a search region's pixels by a smooth random field",
        low=0.0,
        high=32.0,
        unit="px",
    )
    mirror: float = option(0.0, "probability that both crops are mirrored", low=0.0, high=1.0)
    cutout_share: float = option(
        0.5, "share of crops with the object cut out onto another picture", low=0.0, high=1.0
    )
    paste_share: float = option(
        0.4, "share of search regions with another object beside or over it", low=0.0, high=1.0
    )
    occluder_share: float = option(0.3, "share of those others that lie over the target", low=0.0, high=1.0)
    blur: float = option(0.18, "probability of blur", low=0.0, high=1.0)
    grey: float = option(0.2, "probability of a pair without colour", low=0.0, high=1.0)
    light: float = option(1.0, "strength of the change of light", low=0.0, high=3.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.sources) != len(self.source_weights) or not sum(self.source_weights) > 0:
            raise ConfigError("source_weights: one weight for each of sources, not all zero")
        if len(self.sources) != len(self.source_frame_ranges):
            raise ConfigError("source_frame_ranges: one number for each of sources, 0 for single pictures")
        if not self.pretrained and self.unfreeze_at > 0:
            raise ConfigError("unfreeze_at: a backbone that is not pretrained learns from the start: give 0")
        if self.stage != "base" and self.unfreeze_at < 1:
            raise ConfigError(f"unfreeze_at: the backbone does not learn in the stage {self.stage}: give 1")
