"""Distractors: objects near a target that the network could take for it.

Each is followed by a motion model of its own. It explains peaks that would be taken for the target otherwise,
and tells when the two can no longer be told apart: when one hides the other, or both are one peak.

Source: Mayer et al., *Learning Target Candidate Association to Keep Track of What Not to Track*, ICCV 2021
(the idea; there, a network associates the candidates).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from siammaskpp_core.tracking.boxes import Place, overlap
from siammaskpp_core.tracking.long_term.motion import Motion

ESTABLISHED_HITS = 2
CLEAR_PROBABILITY = 0.8
"""A distractor counts after it has been seen in two images, or once with this probability by the network."""
MAX_MISSES = 10
MAX_HIDDEN_MISSES = 60
"""A distractor is forgotten after this many images in which it is not seen, or is hidden by the target."""
MAX_SQUARED_DISTANCE = 12.0
"""A peak is a known distractor when it is nearer than this to the prediction (squared, in deviations)."""
MERGED_OVERLAP = 0.05
"""A distractor that is not seen and overlaps the target by this much has merged with it."""
MAX_COUNT = 5


class Peak(NamedTuple):
    """A peak that is not the target: its box, and what the target's appearance model and the network say."""

    place: Place
    appearance: float
    """Response of the target's appearance model."""
    probability: float
    """Probability by the network that an object like the target is there."""


class Distractor(NamedTuple):
    """An object that is not the target."""

    motion: Motion
    width_px: float
    height_px: float
    hits: int = 1
    misses: int = 0
    appearance: float = 0.0
    """Response of the target's appearance model in the newest image in which it was seen."""
    is_rival: bool = False
    """It has merged with the target since the target's identity was certain: it may be the target."""

    @classmethod
    def starting_at(cls, peak: Peak) -> Distractor:
        """Return a distractor that has been seen once."""
        place = peak.place
        motion = Motion.starting_at(place.center_x, place.center_y, place.mean_side)
        hits = ESTABLISHED_HITS if peak.probability >= CLEAR_PROBABILITY else 1
        return cls(motion, place.width, place.height, hits, appearance=peak.appearance)

    @property
    def place(self) -> Place:
        """Where it is expected."""
        return Place(self.motion.x, self.motion.y, self.width_px, self.height_px)

    @property
    def is_established(self) -> bool:
        """True when it has been seen often enough, or clearly enough, to be an object."""
        return self.hits >= ESTABLISHED_HITS

    def predicted(self, elapsed_s: float) -> Distractor:
        """Return the distractor `elapsed_s` later."""
        return self._replace(motion=self.motion.predicted(elapsed_s, self.place.mean_side))

    def observed(self, peak: Peak) -> Distractor:
        """Return the distractor after it has been seen at a peak."""
        place = peak.place
        return self._replace(
            motion=self.motion.observed(place.center_x, place.center_y, self.place.mean_side),
            width_px=place.width,
            height_px=place.height,
            hits=self.hits + 1,
            misses=0,
            appearance=peak.appearance,
        )

    def has_merged_with(self, target: Place) -> bool:
        """Return True when it is not seen because the target hides it, or it hides the target."""
        if not (self.is_established and self.misses):
            return False
        return float(overlap(self.place.box_xywh, target.box_xywh)) > MERGED_OVERLAP


def updated(
    distractors: Sequence[Distractor], peaks: Sequence[Peak], target: Place, may_begin: bool
) -> tuple[Distractor, ...]:
    """Return the distractors after an image in which `peaks` were seen beside the target.

    `distractors` are predicted for this image already. A peak that is none of them becomes a new one if
    `may_begin`, which is to say that the target itself has been recognised in this image.
    """
    free = list(peaks)
    known = []
    for distractor in distractors:
        nearest = min(free, key=lambda peak: _squared_distance(distractor, peak), default=None)
        if nearest is None or _squared_distance(distractor, nearest) > MAX_SQUARED_DISTANCE:
            distractor = distractor._replace(misses=distractor.misses + 1)
        else:
            free.remove(nearest)
            distractor = distractor.observed(nearest)
        has_merged = distractor.has_merged_with(target)
        if distractor.misses < (MAX_HIDDEN_MISSES if has_merged else MAX_MISSES):
            known.append(distractor._replace(is_rival=distractor.is_rival or has_merged))
    if may_begin:
        known += map(Distractor.starting_at, free)
    known.sort(key=lambda distractor: -distractor.hits)
    return tuple(known[:MAX_COUNT])


def _squared_distance(distractor: Distractor, peak: Peak) -> float:
    place = peak.place
    return distractor.motion.squared_distance(place.center_x, place.center_y, distractor.place.mean_side)


IDENTITY_CERTAIN = 4.0
"""Log odds of the identity of a target whose identity is not in doubt."""
EXCHANGE_LOG_ODDS = -1.5
"""Below these log odds, the rival is the target."""
_MIXING_RATE = 0.3
_IDENTITY_GAIN = 1.65
_APPEARANCE_OF_TARGET = 0.75


def identity_probability(log_odds: float) -> float:
    """Return the probability that belongs to log odds of the identity; 1 when it is not in doubt."""
    return 1.0 if log_odds >= IDENTITY_CERTAIN else 1 / (1 + math.exp(-log_odds))


def identity_log_odds(
    before: float, distractors: Sequence[Distractor], target: Place, appearance: float | None
) -> float:
    """Return the log odds that the object which is followed is the target, and not a rival.

    They fall to 0 while the target and a distractor are one peak. Once both are seen again, the difference of
    their appearance decides. If the rival is not seen, an appearance restores them that only the target has.
    `appearance` is the response of the appearance model at the object which is followed; None where the image
    does not show it.
    """
    if any(distractor.has_merged_with(target) for distractor in distractors):
        return before * (1 - _MIXING_RATE)
    if appearance is None or before >= IDENTITY_CERTAIN:
        return before
    rival = visible_rival(distractors)
    if rival is not None:
        difference = appearance - rival.appearance
    else:
        difference = max(appearance - _APPEARANCE_OF_TARGET, 0.0)
    return min(before + _IDENTITY_GAIN * difference, IDENTITY_CERTAIN)


def visible_rival(distractors: Sequence[Distractor]) -> Distractor | None:
    """Return the rival in the newest image that looks most like the target, if there is one."""
    rivals = [distractor for distractor in distractors if distractor.is_rival and not distractor.misses]
    return max(rivals, key=lambda rival: rival.appearance, default=None)
