"""Run a whole evaluation: find the sequences, track in all of them, and return the tables.

Sequences that cannot be used are left out. Ctrl-C ends an evaluation with what is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from siammaskpp_core.data.sequences import DatasetError, VideoSequence, find_sequences
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.errors import with_causes
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
from siammaskpp_core.io.images import MediaError
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.outcome import Interrupt, Outcome
from siammaskpp_core.tracking import LongTermConfig, LongTermTracker
from siammaskpp_core.tracking.boxes import BoxError

Result = TypeVar("Result")


class Case(Protocol):
    """One case of a benchmark."""

    @property
    def kind(self) -> str:
        """Kind of the case, by which the results are grouped."""

    @property
    def name(self) -> str:
        """Name of the case."""

    def __len__(self) -> int:
        """Return the number of frames."""


CaseOf = TypeVar("CaseOf", bound=Case)


def run_one_pass(
    folders: Sequence[Path],
    model: Path | None,
    options: EngineOptions,
    baselines: Sequence[str] = (),
    nanotrack_folder: Path | None = None,
    stress: Stress | None = None,
    noise_seed: int | None = None,
    output: Path | None = None,
) -> Outcome:
    """Evaluate the tracker and `baselines` in one pass over each sequence, and return the tables.

    `stress` and `noise_seed` make the sequences harder (:mod:`~siammaskpp_core.evaluation.stress`).
    The report, plots and failure examples are written into the new folder `output`.
    """
    if output:  # before the work begins: this fails when matplotlib is not installed
        from siammaskpp_core.evaluation.plots import draw_plots
    left_out: list[str] = []
    sequences = _stressed(find_sequences(folders, left_out), stress, noise_seed, left_out)
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
        interrupt = stack.enter_context(Interrupt())

        def on_frame(tracker: EvaluatedTracker, sequence: VideoSequence, index: int) -> None:
            advance(f"{tracker.name}, {sequence.name}", 1)
            if examples and tracker is own:
                examples.add(sequence, index, own.result)
            if interrupt.is_requested:
                raise KeyboardInterrupt

        scores = evaluate(trackers, sequences, on_frame, left_out)
        result = report(scores, stress, noise_seed, left_out)
        if folder and examples:
            write_report(result, folder, {name: examples.sheets[name] for name in scores[own.name]})
            draw_plots(result, folder)
    text = f"{overall_table(result)}\n\nSuccess AUC per sequence\n\n{sequence_table(result, 'auc')}"
    return Outcome(text, tuple(left_out), is_interrupted=interrupt.is_requested)


def _stressed(
    sequences: Sequence[VideoSequence], stress: Stress | None, noise_seed: int | None, left_out: list[str]
) -> list[VideoSequence]:
    harder: list[VideoSequence] = []
    for sequence in sequences:
        try:
            harder.append(stressed(sequence, stress, noise_seed))
        except DatasetError as error:
            left_out.append(str(error))
    if not harder:
        raise DatasetError(with_causes("no sequence can be evaluated", left_out))
    return harder


def run_target_absent(folders: Sequence[Path], model: Path | None, options: EngineOptions) -> Outcome:
    """Run the target-absent benchmark on all sequences, and return its table and a calibration."""
    left_out: list[str] = []
    cases = make_cases(find_sequences(folders, left_out), left_out=left_out)
    if not cases:
        raise DatasetError(
            with_causes(
                "no case can be made: two videos of 60 or more frames, with boxes, are needed", left_out
            )
        )
    tracker = load_tracker(model, options)
    results, is_interrupted = _run_cases(
        cases,
        lambda case, on_frame: target_absent.run_case(LongTermTracker(tracker), case, on_frame),
        left_out,
    )
    text = target_absent.table(results, LongTermConfig().confidence_high)
    calibration = target_absent.fit_calibration(results)
    if calibration is None:
        text += "\n\nNo calibration: the target was not tracked in frames before and during an absence."
    else:
        slope, offset = calibration
        text += (
            "\n\nThe confidence would be calibrated on these cases if its log odds were "
            f"{slope:.2f} times as large, plus {offset:+.2f}."
        )
    return Outcome(text, tuple(left_out), is_interrupted=is_interrupted)


def run_identity(
    folders: Sequence[Path], model: Path | None, options: EngineOptions, clips: int, seed: int
) -> Outcome:
    """Run the identity benchmark and return its table.

    A folder with `instances.json` gives `clips` clips made by program from `seed`. Any other folder gives the
    sequences below it that share their pictures with another sequence.
    """
    left_out: list[str] = []
    cases: list[IdentityCase] = []
    for folder in folders:
        if (folder / "instances.json").is_file():
            cases += make_clips(folder, clips, seed, left_out)
        else:
            cases += video_cases(find_sequences([folder], left_out))
    if not cases:
        raise DatasetError(
            "no case can be made: videos with several labelled objects are needed, or a folder with images/ "
            "and instances.json as in COCO"
        )
    tracker = load_tracker(model, options)
    results, is_interrupted = _run_cases(
        cases,
        lambda case, on_frame: identity.run_case(LongTermTracker(tracker), case, on_frame),
        left_out,
    )
    return Outcome(identity.table(results), tuple(left_out), is_interrupted=is_interrupted)


def _run_cases(
    cases: Sequence[CaseOf],
    run_case: Callable[[CaseOf, Callable[[], object]], Result],
    left_out: list[str],
) -> tuple[list[Result], bool]:
    """Return the results of the cases, and True when Ctrl-C has ended the work after some of them.

    `left_out` receives a message for each case that cannot be used.
    """
    results: list[Result] = []
    total = sum(len(case) - 1 for case in cases)
    with Interrupt() as interrupt, frame_progress(total) as advance:
        for case in cases:
            label = f"{case.kind}, {case.name}"
            try:
                results.append(run_case(case, partial(_advance, advance, label, interrupt)))
            except (MediaError, DatasetError, BoxError) as error:
                left_out.append(f"{label}: {error}")
            except KeyboardInterrupt:
                if not results:
                    raise
                break
    if not results:
        raise DatasetError(with_causes("no case can be used", left_out))
    return results, interrupt.is_requested


def _advance(advance: Callable[[str, int], None], label: str, interrupt: Interrupt) -> None:
    advance(label, 1)
    if interrupt.is_requested:
        raise KeyboardInterrupt
