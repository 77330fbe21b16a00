"""`siammaskpp evaluate --protocol absence`."""

from __future__ import annotations

import argparse

from tqdm import tqdm

from siammaskpp_core.commands.option_arguments import options_from
from siammaskpp_core.engines import EngineOptions, load_tracker
from siammaskpp_core.evaluation.absence import CaseScore, calibration, honesty, judge
from siammaskpp_core.evaluation.absence_cases import KINDS, make_cases
from siammaskpp_core.evaluation.sequences import DatasetError, find_sequences
from siammaskpp_core.tracking import LongTermConfig, LongTermTracker


def run(options: argparse.Namespace) -> None:
    """Take the targets of all sequences out of view; print what the tracker says of that."""
    if options.peers or options.output:
        raise ValueError("--peers and --output belong to the other protocols")
    cases = make_cases(find_sequences(options.folders))
    if not cases:
        raise DatasetError("no case can be made: two videos of 60 or more frames, with boxes, are needed")
    tracker = load_tracker(options.model, options_from(EngineOptions, options))
    scores = []
    with tqdm(total=sum(len(case.sequence.frames) - 1 for case in cases), unit="frame") as bar:
        for case in cases:
            bar.set_description(f"{case.kind}, {case.sequence.name}", refresh=False)
            scores.append(judge(LongTermTracker(tracker), case, bar.update))
    threshold = LongTermConfig().score_uncertain
    print(table(scores, threshold))
    slope, offset = calibration(scores)
    own = tracker.config
    print(
        f"\nCalibrated on these cases, the model would have score_slope {slope * own.score_slope:.3f} and "
        f"score_offset {slope * own.score_offset + offset:.3f} (it has {own.score_slope:g}, "
        f"{own.score_offset:g})."
    )


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
