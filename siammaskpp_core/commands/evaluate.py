"""`siammaskpp evaluate`."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack

from tqdm import tqdm

from siammaskpp_core.engines import load_tracker
from siammaskpp_core.evaluation.report import overall_table, report, sequence_table
from siammaskpp_core.evaluation.runner import evaluate
from siammaskpp_core.evaluation.sequences import find_sequences
from siammaskpp_core.evaluation.trackers import EvaluatedTracker, SiamMaskTracker, make_peer
from siammaskpp_core.video import Output


def run(options: argparse.Namespace) -> None:
    """Evaluate, print the tables, write the JSON file if asked for."""
    sequences = find_sequences(options.folders)
    trackers: list[EvaluatedTracker] = [make_peer(name, options.nanotrack) for name in options.peers]
    trackers.insert(0, SiamMaskTracker(load_tracker(options.model, options.engine, options.threads)))
    total = len(trackers) * sum(len(sequence.frames) - 1 for sequence in sequences)
    with ExitStack() as stack:
        work = stack.enter_context(Output(options.json)) if options.json else None
        bar = stack.enter_context(tqdm(total=total, unit="frame", mininterval=0.5))

        def on_frame(label: str) -> None:
            bar.set_description(label, refresh=False)
            bar.update()

        result = report(evaluate(trackers, sequences, on_frame))
        if work:
            work.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{overall_table(result)}\n\nSuccess AUC per sequence\n\n{sequence_table(result, 'auc')}")
