"""The memory of one target."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from siammaskpp_core.tracking.boxes import Place
from siammaskpp_core.tracking.long_term.appearance import AppearanceModel
from siammaskpp_core.tracking.long_term.distractors import IDENTITY_CERTAIN, Distractor
from siammaskpp_core.tracking.long_term.motion import Motion
from siammaskpp_core.tracking.long_term.redetection import GlobalSearch
from siammaskpp_core.tracking.long_term.state import State, TrackStatus
from siammaskpp_core.tracking.tracker import Template

FIRST_INTERVAL_S = 1 / 30
"""Time from the image in which a target was set, whose stamp is not known, to the next one."""


@dataclass(frozen=True)
class TrackState:
    """The memory of one target that the long-term layer needs. Each image replaces it."""

    place: Place
    """Where the target is expected; its size is that of the search region."""
    motion: Motion
    appearance: AppearanceModel | None = None
    """None for a network that gives out no features."""
    status: TrackStatus = field(default_factory=TrackStatus)
    distractors: tuple[Distractor, ...] = ()
    identity_log_odds: float = IDENTITY_CERTAIN
    """Log odds that the object which is followed is the target, and not one of the distractors."""
    global_search: GlobalSearch = field(default_factory=GlobalSearch)
    """History of the global search since the target was last seen clearly."""
    usual_logit: float | None = None
    """Smoothed logit of the network when the target was seen clearly; None before the first time."""
    angle_rad: float = 0.0
    """Angle of the newest rotated box."""

    @classmethod
    def starting_at(cls, place: Place, status: TrackStatus | None = None) -> TrackState:
        """Return the state of a target that somebody has pointed at."""
        motion = Motion.starting_at(place.center_x, place.center_y, place.mean_side)
        return cls(place, motion, status=status or TrackStatus())

    def predicted(self, stamp_ns: int, image_shape: tuple[int, ...]) -> TrackState:
        """Return the state with target and distractors where they are expected in an image.

        The target stays within the image.
        """
        before_ns = self.status.stamp_ns
        elapsed_s = FIRST_INTERVAL_S if before_ns is None else max(stamp_ns - before_ns, 0) * 1e-9
        height, width = image_shape[:2]
        motion = self.motion.predicted(elapsed_s, self.place.mean_side)
        motion = motion._replace(x=float(np.clip(motion.x, 0, width)), y=float(np.clip(motion.y, 0, height)))
        return replace(
            self,
            motion=motion,
            place=self.place._replace(center_x=motion.x, center_y=motion.y),
            distractors=tuple(distractor.predicted(elapsed_s) for distractor in self.distractors),
        )


@dataclass
class Target:
    """All that is remembered of one object: a template that stays, and a track state for each image."""

    template: Template
    track: TrackState

    def __repr__(self) -> str:
        place = self.track.place
        seen = "seen" if self.is_seen else "not seen"
        return f"Target({self.state}, {seen}, near ({place.center_x:.1f}, {place.center_y:.1f}))"

    @property
    def state(self) -> State:
        """TRACKING, UNCERTAIN or LOST."""
        return self.track.status.state

    @property
    def is_seen(self) -> bool:
        """True when the result for the newest image is accepted as this target."""
        return self.track.status.is_seen
