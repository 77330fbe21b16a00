"""Run a whole evaluation: find the sequences, track in all of them, and return the tables."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from siammaskpp_core.data.sequences import DatasetError, VideoSequence, find_sequences
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.evaluation.baselines import make_baseline
from siammaskpp_core.evaluation.failure_examples import FailureExamples
from siammaskpp_core.evaluation.identity import benchmark as identity
from siammaskpp_core.evaluation.identity.cases import IdentityCase, video_cases
from siammaskpp_core.evaluation.identity.clips import make_clips
from siammaskpp_core.evaluation.one_pass import (
    SHORT_TERM_NAME,
    EvaluatedTracker,
    LongTermAdapter,
    ShortTermAdapter,
    evaluate,
)
from siammaskpp_core.evaluation.progress import frame_progress
from siammaskpp_core.evaluation.report import overall_table, report, sequence_table, write_report
from siammaskpp_core.evaluation.stress import Stress, stressed
from siammaskpp_core.evaluation.target_absent import benchmark as target_absent
from siammaskpp_core.evaluation.target_absent.cases import make_cases
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.tracking import LongTermConfig, LongTermTracker


def run_one_pass(
    folders: Sequence[Path],
    model: Path | None,
    options: EngineOptions,
    baselines: Sequence[str] = (),
    nanotrack_folder: Path | None = None,
    stress: Stress | None = None,
    noise_seed: int | None = None,
    output: Path | None = None,
) -> str:
    """Evaluate the tracker and `baselines` in one pass over each sequence, and return the tables.

    `stress` and `noise_seed` make the sequences harder (:mod:`~siammaskpp_core.evaluation.stress`).
    The report, plots and failure examples are written into the new folder `output`.
    """
    if output:  # before the work begins: this fails when matplotlib is not installed
        from siammaskpp_core.evaluation.plots import draw_plots
    sequences = [stressed(sequence, stress, noise_seed) for sequence in find_sequences(folders)]
    opencv = {name: make_baseline(name, nanotrack_folder) for name in baselines if name != SHORT_TERM_NAME}
    tracker = load_tracker(model, options)
    own = LongTermAdapter(LongTermTracker(tracker))
    others = [opencv.get(name) or ShortTermAdapter(tracker) for name in baselines]
    trackers: list[EvaluatedTracker] = [own, *others]
    total = len(trackers) * sum(len(sequence.frames) - 1 for sequence in sequences)
    with ExitStack() as stack:
        folder = stack.enter_context(Output(output, is_folder=True)) if output else None
        examples = FailureExamples(folder) if folder else None
        advance = stack.enter_context(frame_progress(total))

        def on_frame(tracker: EvaluatedTracker, sequence: VideoSequence, index: int) -> None:
            advance(f"{tracker.name}, {sequence.name}", 1)
            if examples and tracker is own:
                examples.add(sequence, index, own.result)

        result = report(evaluate(trackers, sequences, on_frame), stress, noise_seed)
        if folder and examples:
            write_report(result, folder, examples.sheets)
            draw_plots(result, folder)
    return f"{overall_table(result)}\n\nSuccess AUC per sequence\n\n{sequence_table(result, 'auc')}"


def run_target_absent(folders: Sequence[Path], model: Path | None, options: EngineOptions) -> str:
    """Run the target-absent benchmark on all sequences, and return its table and a calibration."""
    cases = make_cases(find_sequences(folders))
    if not cases:
        raise DatasetError("no case can be made: two videos of 60 or more frames, with boxes, are needed")
    tracker = load_tracker(model, options)
    results = []
    with frame_progress(sum(len(case.sequence.frames) - 1 for case in cases)) as advance:
        for case in cases:
            label = f"{case.kind}, {case.sequence.name}"
            results.append(target_absent.run_case(LongTermTracker(tracker), case, partial(advance, label, 1)))
    threshold = LongTermConfig().confidence_high
    slope, offset = target_absent.fit_calibration(results)
    return (
        f"{target_absent.table(results, threshold)}\n\n"
        f"The confidence would be calibrated on these cases if its log odds were {slope:.2f} times as large, "
        f"plus {offset:+.2f}."
    )


def run_identity(
    folders: Sequence[Path], model: Path | None, options: EngineOptions, clips: int, seed: int
) -> str:
    """Run the identity benchmark and return its table.

    A folder with `instances.json` gives `clips` clips made by program from `seed`. Any other folder gives the
    sequences below it that share their pictures with another sequence.
    """
    cases: list[IdentityCase] = []
    for folder in folders:
        if (folder / "instances.json").is_file():
            cases += make_clips(folder, clips, seed)
        else:
            cases += video_cases(find_sequences([folder]))
    if not cases:
        raise DatasetError(
            "no case can be made: videos with several labelled objects are needed, or a folder with images/ "
            "and instances.json as in COCO"
        )
    tracker = load_tracker(model, options)
    results = []
    with frame_progress(sum(len(case) - 1 for case in cases)) as advance:
        for case in cases:
            label = f"{case.kind}, {case.name}"
            results.append(identity.run_case(LongTermTracker(tracker), case, partial(advance, label, 1)))
    return identity.table(results)
