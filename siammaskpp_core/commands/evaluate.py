"""`siammaskpp evaluate`."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from importlib import import_module

from tqdm import tqdm

from siammaskpp_core.commands import evaluate_absence
from siammaskpp_core.commands.option_arguments import options_from
from siammaskpp_core.engines import EngineOptions, load_tracker
from siammaskpp_core.evaluation.moments import WorstMoments
from siammaskpp_core.evaluation.report import overall_table, report, sequence_table, write_report
from siammaskpp_core.evaluation.runner import evaluate
from siammaskpp_core.evaluation.sequences import Sequence, find_sequences
from siammaskpp_core.evaluation.trackers import EvaluatedTracker, SiamMaskTracker, make_peer
from siammaskpp_core.tracking import LongTermTracker
from siammaskpp_core.video import Output


def run(options: argparse.Namespace) -> None:
    """Evaluate, print the tables, write the report if asked for."""
    if options.protocol == "vot":
        import_module("siammaskpp_core.commands.evaluate_vot").run(options)
        return
    if options.realtime or options.vot_year or options.rotated_box:
        raise ValueError("--realtime, --vot-year and --rotated-box belong to --protocol vot")
    if options.protocol == "absence":
        evaluate_absence.run(options)
        return
    if options.output:  # first of all: it raises ImportError when matplotlib is not installed
        from siammaskpp_core.evaluation.plots import draw_plots
    sequences = find_sequences(options.folders)
    trackers: list[EvaluatedTracker] = [make_peer(name, options.nanotrack) for name in options.peers]
    loaded = load_tracker(options.model, options_from(EngineOptions, options))
    own = SiamMaskTracker(LongTermTracker(loaded))
    trackers.insert(0, own)
    total = len(trackers) * sum(len(sequence.frames) - 1 for sequence in sequences)
    with ExitStack() as stack:
        folder = stack.enter_context(Output(options.output, is_folder=True)) if options.output else None
        moments = WorstMoments(folder / "moments") if folder else None
        bar = stack.enter_context(tqdm(total=total, unit="frame", mininterval=0.5))

        def on_frame(tracker: EvaluatedTracker, sequence: Sequence, index: int) -> None:
            bar.set_description(f"{tracker.name}, {sequence.name}", refresh=False)
            bar.update()
            if moments and tracker is own:
                moments.add(sequence, index, own.result)

        result = report(evaluate(trackers, sequences, on_frame))
        if folder and moments:
            write_report(result, folder, moments.sheets)
            draw_plots(result, folder)
    print(f"{overall_table(result)}\n\nSuccess AUC per sequence\n\n{sequence_table(result, 'auc')}")
