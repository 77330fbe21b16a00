"""Options of long-term tracking."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, ConfigError, option


@dataclass(frozen=True)
class LongTermConfig(Checked):
    """Options that decide when a target is TRACKING, UNCERTAIN or LOST, and where it is searched for."""

    confidence_high: float = option(
        0.5,
        "A target with at least this confidence is seen clearly; below it, it is UNCERTAIN",
        low=0.0,
        high=1.0,
    )
    confidence_low: float = option(
        0.25, "An image in which the confidence is below this does not show the target", low=0.0, high=1.0
    )
    lost_after_frames: int = option(
        10, "A target is LOST after this many images in a row that do not show it", low=1, high=10000
    )
    lost_after_s: float = option(
        0.5,
        "A target is LOST after it has not been seen for this long, measured by the images' stamps",
        low=0.0,
        high=600.0,
        unit="s",
    )
    confirm_frames: int = option(
        2,
        "A LOST target is TRACKING again after this many images in a row show it in one place",
        low=1,
        high=1000,
    )
    confirm_max_shift_sizes: float = option(
        1.0,
        "A LOST target that is being confirmed may move by this many of its mean sides between two images",
        low=0.05,
        high=20.0,
    )
    search_scale_step: float = option(
        0.1,
        "The search scale grows by this much with each image that does not show the target",
        low=0.0,
        high=2.0,
    )
    search_scale_max: float = option(
        1.5, "Largest search scale, relative to the usual search region", low=1.0, high=4.0
    )
    search_regions_per_image: int = option(
        2,
        "Search regions per image for a target that is not seen; each costs one run of the network",
        low=1,
        high=64,
    )

    def __post_init__(self) -> None:
        """Check ranges, and that the two confidences are in order."""
        super().__post_init__()
        if self.confidence_low > self.confidence_high:
            raise ConfigError(
                f"confidence_low: {self.confidence_low:g} is above confidence_high {self.confidence_high:g}; "
                "set both at once (set_parameters_atomically) or change the other one first"
            )
