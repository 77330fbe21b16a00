"""Does the score know when the target is not there, and is the target found again?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from siammaskpp_core.evaluation.baselines import FRAME_NS
from siammaskpp_core.evaluation.target_absent.cases import FOUND_WITHIN_FRAMES, KINDS, Case
from siammaskpp_core.tracking import LongTermConfig, LongTermTracker
from siammaskpp_core.tracking.boxes import overlap
from siammaskpp_core.tracking.confidence import logit
from siammaskpp_core.tracking.long_term.state import State

FOLLOWED_OVERLAP = 0.5


@dataclass(frozen=True)
class CaseScore:
    """What the tracker said in one case.

    present: scores where the target was there and followed; absent: where it was not there, if it had been
    followed before. found: whether it was found again in time, None when it had not been followed before.
    """

    kind: str
    name: str
    present: list[float]
    absent: list[float]
    found: bool | None


def judge(tracker: LongTermTracker, case: Case, on_frame: Callable[[], object] = lambda: None) -> CaseScore:
    """Run `tracker` on `case`, as at 30 frames a second."""
    config = LongTermConfig()
    frames = enumerate(case.frames())
    _, start = next(frames)
    assert start.box_xywh is not None, "the object is in the first frame of every sequence"
    target, _ = tracker.init(start.image, start.box_xywh)
    scores: dict[bool, list[float]] = {True: [], False: []}
    followed_before = found = False
    for index, frame in frames:
        (result,) = tracker.step(frame.image, [target], index * FRAME_NS, config)
        on_frame()
        is_followed = (
            frame.box_xywh is not None
            and target.state is not State.LOST
            and float(overlap(result.box_xywh, frame.box_xywh)) > FOLLOWED_OVERLAP
        )
        if is_followed or frame.is_absent:
            scores[is_followed].append(result.confidence)
        if index == case.going - 1:
            followed_before = is_followed
        found |= is_followed and case.back <= index < case.back + FOUND_WITHIN_FRAMES
    absent = scores[False] if followed_before else []
    return CaseScore(case.kind, case.sequence.name, scores[True], absent, found if followed_before else None)


@dataclass(frozen=True)
class Honesty:
    """Shares over many cases, for `score < threshold` as "it is not there"; NaN where nothing was counted.

    recall: of the frames without the target. false_alarms: of the frames where it was followed. found: of
    the cases, those where it was found again within ten frames.
    """

    cases: int
    recall: float
    false_alarms: float
    found: float


def honesty(scores: Sequence[CaseScore], threshold: float) -> Honesty:
    """What `threshold` gives over `scores`."""
    present = [value < threshold for score in scores for value in score.present]
    absent = [value < threshold for score in scores for value in score.absent]
    found = [score.found for score in scores if score.found is not None]
    return Honesty(len(found), *(float(np.mean(x)) if x else np.nan for x in (absent, present, found)))


def calibration(scores: Sequence[CaseScore], false_alarms: float = 0.05) -> tuple[float, float]:
    """Slope and offset for the logits of `scores` that make them probabilities, with 0.5 in its place.

    The slope is that of a logistic regression in which presence and absence weigh the same; with the offset,
    the share `false_alarms` of the frames where the target was followed is below 0.5.
    """
    present, absent = (
        np.array([logit(value) for score in scores for value in getattr(score, name)])
        for name in ("present", "absent")
    )
    logits = np.concatenate([present, absent])
    is_present = np.repeat([1.0, 0.0], [len(present), len(absent)])
    weight = np.where(is_present == 1, 0.5 / len(present), 0.5 / len(absent))
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    slope_offset = np.zeros(2)
    for _ in range(50):  # Newton's method; a little ridge for data that can be told apart without error
        p = 1 / (1 + np.exp(-design @ slope_offset))
        gradient = design.T @ (weight * (p - is_present)) + 1e-6 * slope_offset
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        slope_offset -= np.linalg.solve(curvature, gradient)
    slope = float(slope_offset[0])
    return slope, -slope * float(np.quantile(present, false_alarms))


def table(scores: list[CaseScore], threshold: float) -> str:
    """Shares by kind of case, in Markdown."""
    lines = [
        f"Target absent: score < {threshold:g} (recall); there and followed, yet so (false alarms); found "
        "again within 10 frames",
        "",
        "| case | number | recall | false alarms | found again |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for kind in (*KINDS, "all"):
        part = honesty([score for score in scores if kind in (score.kind, "all")], threshold)
        shares = (part.recall, part.false_alarms, part.found)
        lines.append(f"| {kind} | {part.cases} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    missed = [f"{score.name} ({score.kind})" for score in scores if score.found is False]
    if missed:
        lines += ["", f"Not found again in time: {', '.join(missed)}"]
    return "\n".join(lines)
