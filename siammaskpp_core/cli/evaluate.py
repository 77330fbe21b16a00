"""The subcommand `evaluate`: measure accuracy and speed on annotated sequences."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from siammaskpp_core.arguments import names, options_from
from siammaskpp_core.cli.arguments import Commands, add_model, add_rotated_box
from siammaskpp_core.config import ConfigError
from siammaskpp_core.engines.options import EngineOptions


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    evaluate = commands.add_parser(
        "evaluate",
        help="measure accuracy and speed on annotated sequences, beside other trackers",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="ope: one pass over each sequence from its first box, without any reset. Prints\n"
        "success AUC, precision at 20 px, J and F of masks, frames per second.\n"
        "vot: the official VOT toolkit (needs the extra [vot]) restarts trackers that fail. Prints\n"
        "accuracy, robustness and expected average overlap beside the published values.\n"
        "target-absent: the target of every sequence is absent for a while. Prints whether the\n"
        "confidence tells so, and how often the target is re-detected.\n"
        "docs/evaluation.md defines them all.",
        epilog="layouts, which are recognised in DIR or below:\n"
        "  OTB    NAME/img/*.jpg    NAME/groundtruth_rect.txt\n"
        "  VOT    NAME/color/*.jpg  NAME/groundtruth.txt\n"
        "  DAVIS  JPEGImages/480p/NAME/*.jpg  Annotations/480p/NAME/*.png",
    )
    evaluate.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="data set, a folder of several, or one sequence"
    )
    evaluate.add_argument(
        "--baselines",
        type=names,
        default=[],
        metavar="A,B",
        help="also evaluate these trackers: csrt, kcf, nanotrack",
    )
    evaluate.add_argument(
        "--nanotrack", type=Path, metavar="DIR", help="folder of NanoTrack V2's two ONNX files"
    )
    evaluate.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="new folder for report.md, report.json, plots and failure examples (needs the extra [eval])",
    )
    evaluate.add_argument(
        "--protocol",
        choices=("ope", "vot", "target-absent"),
        default="ope",
        help="protocol of the evaluation (default: ope)",
    )
    evaluate.add_argument(
        "--realtime",
        action="store_true",
        help="vot: repeat the experiments in real time, where a busy tracker misses frames",
    )
    evaluate.add_argument(
        "--vot-year",
        type=int,
        choices=(2016, 2018, 2019),
        help="vot: DIR is the data set of this year; take its rules unchanged",
    )
    add_rotated_box(evaluate, "vot: ")
    add_model(evaluate)


def run(options: argparse.Namespace) -> None:
    """Evaluate by the chosen protocol and print the results."""
    if options.protocol != "vot" and (options.realtime or options.vot_year or options.rotated_box):
        raise ConfigError("--realtime, --vot-year and --rotated-box belong to --protocol vot")
    if options.protocol == "target-absent" and (options.baselines or options.output):
        raise ConfigError("--baselines and --output belong to the other protocols")
    protocols = {"ope": _one_pass, "vot": _vot, "target-absent": _target_absent}
    print(protocols[options.protocol](options))


def _one_pass(options: argparse.Namespace) -> str:
    """Evaluate the trackers in one pass, write the report if asked for, and return the tables."""
    from siammaskpp_core.data.sequences import VideoSequence, find_sequences
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.evaluation.baselines import make_baseline
    from siammaskpp_core.evaluation.failure_examples import FailureExamples
    from siammaskpp_core.evaluation.one_pass import EvaluatedTracker, LongTermAdapter, evaluate
    from siammaskpp_core.evaluation.progress import frame_progress
    from siammaskpp_core.evaluation.report import overall_table, report, sequence_table, write_report
    from siammaskpp_core.io.outputs import Output
    from siammaskpp_core.tracking import LongTermTracker

    if options.output:  # before the work begins: this fails when matplotlib is not installed
        from siammaskpp_core.evaluation.plots import draw_plots
    sequences = find_sequences(options.folders)
    baselines = [make_baseline(name, options.nanotrack) for name in options.baselines]
    loaded = load_tracker(options.model, options_from(EngineOptions, options))
    own = LongTermAdapter(LongTermTracker(loaded))
    trackers: list[EvaluatedTracker] = [own, *baselines]
    total = len(trackers) * sum(len(sequence.frames) - 1 for sequence in sequences)
    with ExitStack() as stack:
        folder = stack.enter_context(Output(options.output, is_folder=True)) if options.output else None
        examples = FailureExamples(folder) if folder else None
        advance = stack.enter_context(frame_progress(total))

        def on_frame(tracker: EvaluatedTracker, sequence: VideoSequence, index: int) -> None:
            advance(f"{tracker.name}, {sequence.name}", 1)
            if examples and tracker is own:
                examples.add(sequence, index, own.result)

        result = report(evaluate(trackers, sequences, on_frame))
        if folder and examples:
            write_report(result, folder, examples.sheets)
            draw_plots(result, folder)
    return f"{overall_table(result)}\n\nSuccess AUC per sequence\n\n{sequence_table(result, 'auc')}"


def _vot(options: argparse.Namespace) -> str:
    """Run the experiments of the VOT toolkit and return its table."""
    from siammaskpp_core.evaluation.vot.run import run_vot

    return run_vot(
        options.folders,
        options.model,
        options_from(EngineOptions, options),
        rotated_box=options.rotated_box,
        baselines=options.baselines,
        nanotrack_folder=options.nanotrack,
        realtime=options.realtime,
        year=options.vot_year,
        output=options.output,
    )


def _target_absent(options: argparse.Namespace) -> str:
    """Run the target-absent benchmark on all sequences, and return its table and a calibration."""
    from siammaskpp_core.data.sequences import DatasetError, find_sequences
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.evaluation.progress import frame_progress
    from siammaskpp_core.evaluation.target_absent.benchmark import fit_calibration, run_case, table
    from siammaskpp_core.evaluation.target_absent.cases import make_cases
    from siammaskpp_core.tracking import LongTermConfig, LongTermTracker

    cases = make_cases(find_sequences(options.folders))
    if not cases:
        raise DatasetError("no case can be made: two videos of 60 or more frames, with boxes, are needed")
    tracker = load_tracker(options.model, options_from(EngineOptions, options))
    results = []
    with frame_progress(sum(len(case.sequence.frames) - 1 for case in cases)) as advance:
        for case in cases:
            label = f"{case.kind}, {case.sequence.name}"
            results.append(run_case(LongTermTracker(tracker), case, partial(advance, label, 1)))
    threshold = LongTermConfig().confidence_high
    slope, offset = fit_calibration(results)
    own = tracker.config
    return (
        f"{table(results, threshold)}\n\nCalibrated on these cases, the model would have confidence_slope "
        f"{slope * own.confidence_slope:.3f} and confidence_offset "
        f"{slope * own.confidence_offset + offset:.3f} (it has {own.confidence_slope:g}, "
        f"{own.confidence_offset:g})."
    )
