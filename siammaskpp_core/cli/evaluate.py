"""`siammaskpp evaluate`."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from siammaskpp_core.arguments import names, options_from
from siammaskpp_core.cli.arguments import Commands, add_model, add_rotated_box
from siammaskpp_core.config import ConfigError
from siammaskpp_core.engines.options import EngineOptions


def add_arguments(commands: Commands) -> None:
    """Arguments of `evaluate`."""
    evaluate = commands.add_parser(
        "evaluate",
        help="measure accuracy and speed on sequences with a truth, next to other trackers",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="ope: one pass over each sequence from its first box, without help on the way. Prints\n"
        "success AUC, precision at 20 px, J and F of masks, frames per second.\n"
        "vot: the official VOT toolkit (needs the extra [vot]) starts trackers anew when they fail. Prints\n"
        "accuracy, robustness and expected average overlap beside the published ones.\n"
        "absence: targets are cut out of, covered in and panned out of the sequences. Prints whether the\n"
        "score says so, and how often the target is found again.\n"
        "docs/evaluation.md defines them all.",
        epilog="layouts, found by themselves in DIR or below:\n"
        "  OTB    NAME/img/*.jpg    NAME/groundtruth_rect.txt\n"
        "  VOT    NAME/color/*.jpg  NAME/groundtruth.txt\n"
        "  DAVIS  JPEGImages/480p/NAME/*.jpg  Annotations/480p/NAME/*.png",
    )
    evaluate.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="data set, a folder of several, or one sequence"
    )
    evaluate.add_argument(
        "--peers", type=names, default=[], metavar="A,B", help="also run these: csrt, kcf, nanotrack"
    )
    evaluate.add_argument(
        "--nanotrack", type=Path, metavar="DIR", help="folder of NanoTrack V2's two ONNX files"
    )
    evaluate.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="new folder for report.md, report.json, plots and the worst moments (needs the extra [eval])",
    )
    evaluate.add_argument(
        "--protocol", choices=("ope", "vot", "absence"), default="ope", help="how to measure (default: ope)"
    )
    evaluate.add_argument(
        "--realtime",
        action="store_true",
        help="vot: also skip the frames that pass while a tracker is busy",
    )
    evaluate.add_argument(
        "--vot-year",
        type=int,
        choices=(2016, 2018, 2019),
        help="vot: DIR is that year's data set; take its rules as they are",
    )
    add_rotated_box(evaluate, "vot: ")
    add_model(evaluate)


def run(options: argparse.Namespace) -> None:
    """Evaluate, print the tables, write the report if asked for."""
    from tqdm import tqdm

    from siammaskpp_core.data.sequences import VideoSequence, find_sequences
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.evaluation.baselines import EvaluatedTracker, LongTermAdapter, make_baseline
    from siammaskpp_core.evaluation.failure_examples import FailureExamples
    from siammaskpp_core.evaluation.one_pass import evaluate
    from siammaskpp_core.evaluation.report import overall_table, report, sequence_table, write_report
    from siammaskpp_core.io.outputs import Output
    from siammaskpp_core.tracking import LongTermTracker

    if options.protocol == "vot":
        import_module("siammaskpp_core.evaluation.vot.run").run_vot(options)
        return
    if options.realtime or options.vot_year or options.rotated_box:
        raise ConfigError("--realtime, --vot-year and --rotated-box belong to --protocol vot")
    if options.protocol == "absence":
        run_absence(options)
        return
    if options.output:  # first of all: it raises MissingPackageError when matplotlib is not installed
        from siammaskpp_core.evaluation.plots import draw_plots
    sequences = find_sequences(options.folders)
    trackers: list[EvaluatedTracker] = [make_baseline(name, options.nanotrack) for name in options.peers]
    loaded = load_tracker(options.model, options_from(EngineOptions, options))
    own = LongTermAdapter(LongTermTracker(loaded))
    trackers.insert(0, own)
    total = len(trackers) * sum(len(sequence.frames) - 1 for sequence in sequences)
    with ExitStack() as stack:
        folder = stack.enter_context(Output(options.output, is_folder=True)) if options.output else None
        moments = FailureExamples(folder / "moments") if folder else None
        bar = stack.enter_context(tqdm(total=total, unit="frame", mininterval=0.5))

        def on_frame(tracker: EvaluatedTracker, sequence: VideoSequence, index: int) -> None:
            bar.set_description(f"{tracker.name}, {sequence.name}", refresh=False)
            bar.update()
            if moments and tracker is own:
                moments.add(sequence, index, own.result)

        result = report(evaluate(trackers, sequences, on_frame))
        if folder and moments:
            write_report(result, folder, moments.sheets)
            draw_plots(result, folder)
    print(f"{overall_table(result)}\n\nSuccess AUC per sequence\n\n{sequence_table(result, 'auc')}")


def run_absence(options: argparse.Namespace) -> None:
    """Take the targets of all sequences out of view; print what the tracker says of that."""
    from tqdm import tqdm

    from siammaskpp_core.data.sequences import DatasetError, find_sequences
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.evaluation.target_absent.benchmark import calibration, judge, table
    from siammaskpp_core.evaluation.target_absent.cases import make_cases
    from siammaskpp_core.tracking import LongTermConfig, LongTermTracker

    if options.peers or options.output:
        raise ConfigError("--peers and --output belong to the other protocols")
    cases = make_cases(find_sequences(options.folders))
    if not cases:
        raise DatasetError("no case can be made: two videos of 60 or more frames, with boxes, are needed")
    tracker = load_tracker(options.model, options_from(EngineOptions, options))
    scores = []
    with tqdm(total=sum(len(case.sequence.frames) - 1 for case in cases), unit="frame") as bar:
        for case in cases:
            bar.set_description(f"{case.kind}, {case.sequence.name}", refresh=False)
            scores.append(judge(LongTermTracker(tracker), case, bar.update))
    threshold = LongTermConfig().confidence_high
    print(table(scores, threshold))
    slope, offset = calibration(scores)
    own = tracker.config
    print(
        f"\nCalibrated on these cases, the model would have confidence_slope "
        f"{slope * own.confidence_slope:.3f} and confidence_offset "
        f"{slope * own.confidence_offset + offset:.3f} (it has {own.confidence_slope:g}, "
        f"{own.confidence_offset:g})."
    )
