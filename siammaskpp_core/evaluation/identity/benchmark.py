"""The identity benchmark: how often a track leaves its target for another object and is believed there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.evaluation.identity.cases import IdentityCase
from siammaskpp_core.evaluation.report import markdown_table
from siammaskpp_core.io.stamps import FRAME_INTERVAL_NS
from siammaskpp_core.tracking import LongTermTracker, State
from siammaskpp_core.tracking.boxes import overlap

SWITCH_FRAMES = 3
"""An identity switch is a run of at least this many believed frames on another object."""
ON_OBJECT_OVERLAP = 0.3
"""A result is on an object when their overlap is greater than this, and than that with any other object."""
SEPARATE_OVERLAP = 0.3
"""Objects whose boxes overlap by more than this are not told apart: such a frame belongs to no object."""
FINAL_FRAMES = 5


@dataclass(frozen=True)
class IdentityResult:
    """The result of one case.

    believed [N], on_target [N], on_other [N]: for each frame after the first, whether the target was TRACKING
    and seen, and which object its box was on. A frame in which the objects cannot be told apart, or whose
    truth is unknown, is on none of them.
    """

    kind: str
    name: str
    believed: list[bool]
    on_target: list[bool]
    on_other: list[bool]

    @property
    def switches(self) -> int:
        """Number of runs of SWITCH_FRAMES or more believed frames on another object.

        Frames on no object do not interrupt a run; a frame on the target, or one not believed, ends it.
        """
        count = run = 0
        for believed, on_target, on_other in zip(self.believed, self.on_target, self.on_other, strict=True):
            if believed and on_other:
                run += 1
                count += run == SWITCH_FRAMES
            elif on_target or not believed:
                run = 0
        return count

    @property
    def on_other_fraction(self) -> float:
        """Fraction of the believed frames that are on another object."""
        believed = np.array(self.believed)
        return float(np.mean(np.array(self.on_other)[believed])) if believed.any() else 0.0

    @property
    def seen_fraction(self) -> float:
        """Fraction of the frames that are believed and on the target."""
        return float(np.mean(np.array(self.believed) & np.array(self.on_target)))

    @property
    def ends_on_target(self) -> bool:
        """True when the target is believed and right in most of the last frames with known truth."""
        known = np.array(self.on_target) | np.array(self.on_other) | ~np.array(self.believed)
        last = np.flatnonzero(known)[-FINAL_FRAMES:]
        right = np.array(self.believed) & np.array(self.on_target)
        return bool(len(last) and np.mean(right[last]) > 0.5)


def run_case(
    tracker: LongTermTracker, case: IdentityCase, on_frame: Callable[[], object] = lambda: None
) -> IdentityResult:
    """Run `tracker` on `case` at 30 images per second."""
    frames = case.frames()
    start = next(frames)
    target, _ = tracker.init(start.image, start.box_xywh)
    result = IdentityResult(case.kind, case.name, [], [], [])
    for index, frame in enumerate(frames, start=1):
        (found,) = tracker.step(frame.image, [target], index * FRAME_INTERVAL_NS)
        on_target, on_other = which_object(found.box_xywh, frame.box_xywh, frame.others_xywh)
        result.believed.append(target.is_seen and target.state is State.TRACKING)
        result.on_target.append(on_target)
        result.on_other.append(on_other)
        on_frame()
    return result


def which_object(
    box_xywh: Float64Array, target_xywh: Float64Array, others_xywh: Float64Array
) -> tuple[bool, bool]:
    """Return whether a box [4] is on the target, and whether it is on one of the others [M, 4]."""
    others = others_xywh[np.isfinite(others_xywh).all(axis=1)]
    other = float(overlap(np.broadcast_to(box_xywh, others.shape), others).max(initial=0.0))
    if not np.isfinite(target_xywh).all():
        return False, other > ON_OBJECT_OVERLAP
    if overlap(np.broadcast_to(target_xywh, others.shape), others).max(initial=0.0) > SEPARATE_OVERLAP:
        return False, False
    own = float(overlap(box_xywh, target_xywh))
    return own > max(other, ON_OBJECT_OVERLAP), other > max(own, ON_OBJECT_OVERLAP)


@dataclass(frozen=True)
class Summary:
    """Figures over several cases.

    switches: their total number; switched: number of cases with at least one. on_other, seen: fractions of
    believed frames on another object, and of all frames that are believed and right. ends: number of cases
    that end on the target.
    """

    cases: int
    switches: int
    switched: int
    on_other: float
    seen: float
    ends: int


def summarise(results: Sequence[IdentityResult]) -> Summary:
    """Return the figures over `results`; each case has the same weight."""
    return Summary(
        len(results),
        sum(result.switches for result in results),
        sum(result.switches > 0 for result in results),
        float(np.mean([result.on_other_fraction for result in results])) if results else np.nan,
        float(np.mean([result.seen_fraction for result in results])) if results else np.nan,
        sum(result.ends_on_target for result in results),
    )


def table(results: Sequence[IdentityResult]) -> str:
    """Return the figures by kind of case as Markdown, and the names of the cases with a switch."""
    rows = [["case", "number", "switches", "cases with one", "on another", "seen and right", "end on target"]]
    for kind in (*sorted({result.kind for result in results}), "all"):
        part = summarise([result for result in results if kind in (result.kind, "all")])
        numbers = [part.cases, part.switches, part.switched]
        rows.append([kind, *map(str, numbers), f"{part.on_other:.1%}", f"{part.seen:.1%}", str(part.ends)])
    lines = [
        f"Switches: runs of {SWITCH_FRAMES} or more believed frames on another object. On another: fraction "
        "of the believed frames. Seen and right: fraction of all frames.",
        "",
        markdown_table(rows),
    ]
    switched = [f"{result.name} ({result.kind})" for result in results if result.switches]
    if switched:
        lines += ["", f"With a switch: {', '.join(switched)}"]
    return "\n".join(lines)
