"""The target-absent benchmark: results of a tracker on all cases, their rates, confidence calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from siammaskpp_core.evaluation.report import cell, markdown_table
from siammaskpp_core.evaluation.target_absent.cases import KINDS, REDETECTION_FRAMES, TargetAbsentCase
from siammaskpp_core.io.stamps import FRAME_INTERVAL_NS
from siammaskpp_core.tracking import LongTermConfig, LongTermTracker
from siammaskpp_core.tracking.boxes import overlap
from siammaskpp_core.tracking.decoding import logit
from siammaskpp_core.tracking.long_term.state import State

TRACKED_OVERLAP = 0.5
"""A target is tracked when the overlap of its box and the true box is greater than this."""


@dataclass(frozen=True)
class CaseResult:
    """The result of one case.

    present: confidence in the frames in which the target was there and tracked. absent: confidence in the
    frames without the target; empty when it had not been tracked before. is_redetected: whether it was
    re-detected in time, None when it had not been tracked before.
    """

    kind: str
    name: str
    present: list[float]
    absent: list[float]
    is_redetected: bool | None


def run_case(
    tracker: LongTermTracker, case: TargetAbsentCase, on_frame: Callable[[], object] = lambda: None
) -> CaseResult:
    """Run `tracker` on `case` at 30 images per second."""
    config = LongTermConfig()
    frames = enumerate(case.frames())
    _, start = next(frames)
    assert start.box_xywh is not None, "the object is in the first frame of every sequence"
    target, _ = tracker.init(start.image, start.box_xywh)
    confidences: dict[bool, list[float]] = {True: [], False: []}
    was_tracked = is_redetected = False
    for index, frame in frames:
        (result,) = tracker.step(frame.image, [target], index * FRAME_INTERVAL_NS, config)
        on_frame()
        is_tracked = (
            frame.box_xywh is not None
            and target.state is not State.LOST
            and float(overlap(result.box_xywh, frame.box_xywh)) > TRACKED_OVERLAP
        )
        if is_tracked or frame.is_absent:
            confidences[is_tracked].append(result.confidence)
        if index == case.departure - 1:
            was_tracked = is_tracked
        is_redetected |= is_tracked and case.reappearance <= index < case.reappearance + REDETECTION_FRAMES
    absent = confidences[False] if was_tracked else []
    return CaseResult(
        case.kind, case.sequence.name, confidences[True], absent, is_redetected if was_tracked else None
    )


@dataclass(frozen=True)
class Rates:
    """Rates over many cases, where a confidence below a threshold means "the target is absent".

    cases: number of cases in which the target was tracked before. recall: fraction of the frames without the
    target that are below the threshold. false_alarms: fraction of the frames with a tracked target that are
    below it. redetected: fraction of the cases with a re-detection in time. A rate over nothing is NaN.
    """

    cases: int
    recall: float
    false_alarms: float
    redetected: float


def summarise(results: Sequence[CaseResult], threshold: float) -> Rates:
    """Return the rates over `results` for a `threshold` of the confidence."""
    present = [value < threshold for result in results for value in result.present]
    absent = [value < threshold for result in results for value in result.absent]
    redetected = [result.is_redetected for result in results if result.is_redetected is not None]
    rates = (float(np.mean(values)) if values else np.nan for values in (absent, present, redetected))
    return Rates(len(redetected), *rates)


def table(results: Sequence[CaseResult], threshold: float) -> str:
    """Return the rates by kind of case as Markdown, and the cases without a re-detection in time."""
    rows = [["case", "number", "recall", "false alarms", "re-detected"]]
    for kind in (*KINDS, "all"):
        part = summarise([result for result in results if kind in (result.kind, "all")], threshold)
        rates = (part.recall, part.false_alarms, part.redetected)
        shown = (cell(None if np.isnan(rate) else rate, ".1%") for rate in rates)
        rows.append([kind, str(part.cases), *shown])
    lines = [
        f"Recall: frames without the target that have a confidence < {threshold:g}. False alarms: frames "
        f"with the tracked target that have it. Re-detected: within {REDETECTION_FRAMES} frames of its "
        "return.",
        "",
        markdown_table(rows),
    ]
    missed = [f"{result.name} ({result.kind})" for result in results if result.is_redetected is False]
    if missed:
        lines += ["", f"Not re-detected in time: {', '.join(missed)}"]
    return "\n".join(lines)


def fit_calibration(results: Sequence[CaseResult], false_alarms: float = 0.05) -> tuple[float, float] | None:
    """Return the slope and offset of the confidence's logit that calibrate the confidence on `results`.

    The slope is that of a logistic regression in which frames with and without the target have the same
    total weight. The offset places 0.5 so that the fraction `false_alarms` of the frames with a tracked
    target is below it. Returns None when there are no frames of one of the two kinds.
    """
    present, absent = (
        np.array([logit(value) for result in results for value in getattr(result, name)])
        for name in ("present", "absent")
    )
    if not (len(present) and len(absent)):
        return None
    logits = np.concatenate([present, absent])
    is_present = np.repeat([1.0, 0.0], [len(present), len(absent)])
    weight = np.where(is_present == 1, 0.5 / len(present), 0.5 / len(absent))
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    slope_offset = np.zeros(2)
    for _ in range(50):  # Newton's method; the ridge bounds the slope when the classes are separable
        p = 1 / (1 + np.exp(-design @ slope_offset))
        gradient = design.T @ (weight * (p - is_present)) + 1e-6 * slope_offset
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        slope_offset -= np.linalg.solve(curvature, gradient)
    slope = float(slope_offset[0])
    return slope, -slope * float(np.quantile(present, false_alarms))
