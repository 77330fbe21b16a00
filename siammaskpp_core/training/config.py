"""Options of a training: data, optimiser, losses and augmentation."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, ConfigError, option


@dataclass(frozen=True)
class TrainingConfig(Checked):
    """Data, schedule, losses and augmentation of one training run (one stage)."""

    sources: tuple[str, ...] = option(
        ("masks:.",), "Training data as kind:folder, relative to the data folder"
    )
    source_weights: tuple[float, ...] = option(
        (1.0,), "Relative frequency at which each source is sampled", low=0.0
    )
    source_frame_ranges: tuple[int, ...] = option(
        (0,), "Largest distance of a pair's two frames within a video, per source", low=0, unit="frames"
    )

    stage: str = option(
        "base",
        "Training stage; base trains with all losses, bi and re train only masks of that form, boxes trains "
        "only scores and boxes",
        choices=("base", "bi", "re", "boxes"),
    )
    steps: int = option(4000, "Number of optimiser steps", low=1)
    batch_size: int = option(16, "Pairs per optimiser step, summed over all processes", low=1, high=65536)
    optimizer: str = option("adamw", "Optimiser; sgd uses a momentum of 0.9", choices=("adamw", "sgd"))
    learning_rate: float = option(1e-3, "Peak learning rate", low=0.0, high=1.0)
    schedule: str = option(
        "cosine",
        "Decay of the learning rate; cosine decays at every step, epochs by a constant factor per epoch",
        choices=("cosine", "epochs"),
    )
    epochs: int = option(20, "Number of epochs that `steps` is divided into (schedule epochs)", low=1)
    warmup_fraction: float = option(
        0.025, "Fraction of the run in which the learning rate rises to its peak", low=0.0, high=0.9
    )
    initial_lr_factor: float = option(
        0.0, "Learning rate at the start of the warm-up, relative to the peak", low=0.0, high=1.0
    )
    final_lr_factor: float = option(
        0.02, "Learning rate at the end of the run, relative to the peak", low=1e-6, high=1.0
    )
    weight_decay: float = option(
        1e-2, "Weight decay; biases, batch norms and level weights are not decayed", low=0.0, high=1.0
    )
    gradient_clip_norm: float = option(5.0, "Gradients are clipped to this norm", low=0.0)
    ema_decay: float = option(
        0.998,
        "Decay of the exponential moving average (EMA) of the weights, which is what is exported; "
        "0 exports the last weights",
        low=0.0,
        high=1.0,
    )
    pretrained: bool = option(True, "The backbone starts from ImageNet weights")
    unfreeze_at: float = option(
        1.0,
        "Fraction of the run for which the backbone stays frozen; 1 never trains it",
        low=0.0,
        high=1.0,
    )
    backbone_lr_factor: float = option(
        0.1, "Learning rate of the backbone, relative to that of the other layers", low=0.0, high=1.0
    )
    batch_norm: str = option(
        "sync",
        "Batch-norm statistics; sync shares them between processes (GPUs only), local computes them per "
        "process, frozen does not update them",
        choices=("sync", "local", "frozen"),
    )
    train_backbone_norms: bool = option(
        True, "Batch norms of the unfrozen backbone layers are trained with them; false keeps them frozen"
    )
    precision: str = option(
        "bf16-mixed",
        "Floating-point precision of the network; a CPU without bfloat16 instructions trains in float32",
        choices=("32-true", "bf16-mixed", "16-mixed"),
    )
    save_every: int = option(200, "Number of steps between two checkpoints", low=1)
    seed: int = option(0, "Seed of all random draws", low=0)

    anchor_sampling: str = option(
        "hard",
        "Anchors that enter the losses; hard takes all positives and, of each pair, the 16 hardest and 32 "
        "random negatives; random takes 64 anchors with at most 16 positives (reference implementation)",
        choices=("hard", "random"),
    )
    cls_weight: float = option(1.0, "Weight A of the classification loss", low=0.0)
    loc_weight: float = option(1.2, "Weight B of the box loss", low=0.0)
    mask_weight: float = option(36.0, "Weight C of the mask loss", low=0.0)
    dice_weight: float = option(
        0.0,
        "Weight of the masks' Dice loss, to which small and large objects contribute equally",
        low=0.0,
    )
    giou_weight: float = option(
        0.0, "Weight of the boxes' generalised IoU loss, which is added to the smooth L1 loss", low=0.0
    )
    quality_exponent: float = option(
        0.0,
        "Ranks anchors by the IoU of their boxes: the target probability of a positive anchor is the IoU of "
        "its predicted box, relative to the best one of the pair, to this power; 0 makes it 1 for all",
        low=0.0,
        high=10.0,
    )
    smooth_l1_omega: float = option(3.0, "Parameter omega of the smooth L1 loss", low=0.1, high=10.0)
    mask_positions: int = option(
        4, "Largest number of positive cells of a pair whose masks are trained", low=1, high=64
    )

    negative_probability: float = option(
        0.2, "Probability of a negative pair, whose search region does not show the target", low=0.0, high=1.0
    )
    occluded_probability: float = option(
        0.0,
        "Probability that a negative pair shows the target behind an occluder instead of another object",
        low=0.0,
        high=1.0,
    )
    same_class_distractor_probability: float = option(
        0.0,
        "Probability that a distractor is of the target's class, where the data names classes",
        low=0.0,
        high=1.0,
    )
    same_class_negative_probability: float = option(
        0.0,
        "Probability that a negative pair of a single image is centred on another object of the target's "
        "class in that image; where the target itself is visible it keeps its labels",
        low=0.0,
        high=1.0,
    )
    part_probability: float = option(
        0.0, "Probability that the target of a single-image pair is a part of the object", low=0.0, high=1.0
    )
    rectangular_occluder_probability: float = option(
        0.0,
        "Probability that an occluded target lies behind a rectangle cut from another image",
        low=0.0,
        high=1.0,
    )
    search_shift: float = option(
        64.0,
        "Largest shift of the target from the search region's centre",
        low=0.0,
        high=127.0,
        unit="px",
    )
    small_shift_probability: float = option(
        0.4, "Probability that a pair uses a quarter of the search shift", low=0.0, high=1.0
    )
    search_scale_jitter: float = option(
        0.18, "Largest scale change of the search region, as a natural logarithm", low=0.0, high=1.0
    )
    large_scale_probability: float = option(
        0.0,
        "Probability of three times the scale jitter, as after the tracker's box has lagged behind",
        low=0.0,
        high=1.0,
    )
    template_shift: float = option(
        4.0, "Largest shift of the target from the centre of the template", low=0.0, high=63.0, unit="px"
    )
    template_scale_jitter: float = option(
        0.05, "Largest scale change of the template, as a natural logarithm", low=0.0, high=1.0
    )
    rotation: float = option(
        12.0,
        "Largest in-plane rotation of the search region; the template rotates by up to half of it",
        low=0.0,
        high=180.0,
        unit="deg",
    )
    aspect_ratio_jitter: float = option(
        0.1, "Largest change of the aspect ratio, as a natural logarithm", low=0.0, high=1.0
    )
    elastic_deformation: float = option(
        0.0,
        "Largest standard deviation of the random displacement field that deforms the search region",
        low=0.0,
        high=32.0,
        unit="px",
    )
    flip_probability: float = option(
        0.0, "Probability that both crops are flipped horizontally", low=0.0, high=1.0
    )
    background_swap_probability: float = option(
        0.5, "Probability that an object is cut out and placed on another background", low=0.0, high=1.0
    )
    copy_paste_probability: float = option(
        0.4, "Probability that a distractor is pasted into the search region", low=0.0, high=1.0
    )
    copy_paste_occlusion_probability: float = option(
        0.3, "Probability that a pasted distractor partly occludes the target", low=0.0, high=1.0
    )
    blur_probability: float = option(
        0.18, "Probability that a crop is blurred by motion or defocus", low=0.0, high=1.0
    )
    low_resolution_probability: float = option(
        0.0,
        "Probability that both crops have the resolution of a target with a side of 12 to 32 pixels",
        low=0.0,
        high=1.0,
    )
    darkness_probability: float = option(
        0.0, "Probability that both crops are dark and noisy, as at night", low=0.0, high=1.0
    )
    compression_probability: float = option(
        0.0, "Probability that a crop has the artefacts of strong JPEG compression", low=0.0, high=1.0
    )
    grayscale_probability: float = option(
        0.2, "Probability that a pair is converted to grayscale", low=0.0, high=1.0
    )
    photometric_jitter: float = option(
        1.0, "Strength of the random gain, gamma, offset and colour cast; 0 turns it off", low=0.0, high=3.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.sources) != len(self.source_weights) or not sum(self.source_weights) > 0:
            raise ConfigError("source_weights: one weight for each of sources is needed, not all zero")
        if len(self.sources) != len(self.source_frame_ranges):
            raise ConfigError(
                "source_frame_ranges: one number for each of sources is needed, 0 for single images"
            )
        if not self.pretrained and self.unfreeze_at > 0:
            raise ConfigError("unfreeze_at: a backbone that is not pretrained learns from the start: give 0")
        if self.stage != "base" and self.unfreeze_at < 1:
            raise ConfigError(f"unfreeze_at: the backbone does not learn in the stage {self.stage}: give 1")
