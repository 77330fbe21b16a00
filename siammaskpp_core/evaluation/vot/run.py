"""The evaluation by the VOT toolkit, from folders of sequences to the report.

It is imported only when it is used, as it needs the extra [vot] and the toolkit.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from siammaskpp_core.arguments import words_of
from siammaskpp_core.data.sequences import DatasetError, VideoSequence, find_sequences
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.errors import MissingPackageError, with_causes
from siammaskpp_core.evaluation.baselines import make_baseline
from siammaskpp_core.evaluation.one_pass import OWN_NAME
from siammaskpp_core.evaluation.progress import frame_progress
from siammaskpp_core.io.images import MediaError
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.outcome import Interrupt, Outcome

try:
    from siammaskpp_core.evaluation.vot.dataset import VotSequence, vot_sequence
    from siammaskpp_core.evaluation.vot.report import (
        draw_plot,
        experiment_report,
        markdown,
        report,
        write_report,
    )
    from siammaskpp_core.evaluation.vot.toolkit import Plan, multi_start_plan, run_plan, supervised_plan
except ImportError as error:
    raise MissingPackageError(
        f"--protocol vot needs the VOT toolkit ({error}): pip install 'siammaskpp[vot]', then "
        "pip install --no-deps vot-toolkit==0.7.4 (by itself it would bring a second OpenCV)"
    ) from error

SERVER = (sys.executable, "-m", "siammaskpp_core.evaluation.vot.server")


def run_vot(
    folders: Sequence[Path],
    model_folder: Path | None = None,
    engine: EngineOptions | None = None,
    *,
    rotated_box: str | None = None,
    baselines: Sequence[str] = (),
    nanotrack_folder: Path | None = None,
    realtime: bool = False,
    year: int | None = None,
    output: Path | None = None,
) -> Outcome:
    """Run the toolkit's experiments on the sequences in `folders` and return the scores as Markdown.

    Our tracker is loaded from `model_folder` (default: the package's model) and runs beside `baselines`.
    `realtime` adds the real-time experiments; `year` takes the rules of that VOT challenge as they are. The
    new folder `output` receives the report and the toolkit's workspaces. Raises a user error before the
    first experiment when something cannot run, and :class:`VotError` when a tracker fails. Ctrl-C leaves the
    scores on the sequences that are finished.
    """
    left_out: list[str] = []
    sequences = _vot_sequences(find_sequences(folders, left_out), left_out)
    commands = _own_command(model_folder, engine or EngineOptions(), rotated_box)
    commands |= _baseline_commands(baselines, nanotrack_folder)
    experiments = _plan(sequences, realtime, year)
    with ExitStack() as stack:
        interrupt = stack.enter_context(Interrupt())
        folder = stack.enter_context(Output(output, is_folder=True)) if output else None
        place = folder or Path(stack.enter_context(TemporaryDirectory(prefix="siammaskpp-vot-")))
        result = report(_run_all(place / "workspaces", experiments, commands, interrupt), year)
        if folder:
            write_report(result, folder)
            draw_plot(result, folder)
    return Outcome(markdown(result), tuple(left_out), is_interrupted=interrupt.is_requested)


def _vot_sequences(found: Sequence[VideoSequence], left_out: list[str]) -> list[VotSequence]:
    """Convert the sequences, and report on standard error which of them are used only in part.

    `left_out` receives a message for each sequence that cannot be used. All pictures are read once, as the
    toolkit would fail on a damaged one in the middle of an experiment.
    """
    sequences = []
    for whole in found:
        try:
            sequence = vot_sequence(whole)
            for index in range(len(whole.frames)):
                whole.image(index)
        except (MediaError, DatasetError) as error:
            left_out.append(str(error))
            continue
        sequences.append(sequence)
        used, given = len(sequence.frames), len(whole.frames)
        if used < given:
            print(
                f"{sequence.name}: the {used} of {given} frames where the object is labelled without a gap",
                file=sys.stderr,
            )
    if not sequences:
        raise DatasetError(with_causes("no sequence can be evaluated", left_out))
    return sequences


def _own_command(
    model_folder: Path | None, engine: EngineOptions, rotated_box: str | None
) -> dict[str, list[str]]:
    """Return the command that starts our TraX server, after a check that the model can be loaded."""
    # The check leaves the number of threads to OpenVINO: with a chosen number, OpenVINO and the toolkit's
    # native library crash in one process. The servers are processes of their own.
    load_tracker(model_folder, replace(engine, threads=0, cpu_affinity=False))
    arguments = words_of(engine)
    arguments += ["--model", str(model_folder.resolve())] if model_folder else []
    arguments += ["--rotated-box", rotated_box] if rotated_box else []
    return {OWN_NAME: [*SERVER, *arguments]}


def _baseline_commands(names: Sequence[str], nanotrack_folder: Path | None) -> dict[str, list[str]]:
    """Return the commands that start the TraX servers of the baselines, after a check that they can run."""
    commands = {}
    for name in names:
        make_baseline(name, nanotrack_folder)
        folder = ["--nanotrack", str(nanotrack_folder.resolve())] if nanotrack_folder else []
        commands[name] = [*SERVER, "--tracker", name, *folder]
    return commands


def _plan(
    sequences: Sequence[VotSequence], realtime: bool, year: int | None
) -> dict[str, tuple[Plan, list[VotSequence]]]:
    """Return the plan of each kind of experiment, and the sequences with the regions that it takes."""
    polygons = [sequence.with_polygons() for sequence in sequences]
    masks = [sequence for sequence in sequences if sequence.has_masks]
    experiments = {"supervised": (supervised_plan(polygons, realtime, year), polygons)}
    if masks:
        experiments["multi_start"] = (multi_start_plan(masks, realtime), masks)
    return experiments


def _run_all(
    folder: Path,
    experiments: Mapping[str, tuple[Plan, list[VotSequence]]],
    commands: Mapping[str, Sequence[str]],
    interrupt: Interrupt,
) -> dict[str, dict[str, Any]]:
    """Run all experiments in workspaces below `folder`; returns the report of each kind.

    Ctrl-C leaves the kinds and the sequences that are finished; it raises KeyboardInterrupt when none is.
    """
    frames = sum(sum(_lengths(items)) * len(plan.experiments) for plan, items in experiments.values())
    results: dict[str, dict[str, Any]] = {}
    with frame_progress(frames * len(commands)) as advance:
        for kind, (plan, items) in experiments.items():
            try:
                scores, finished = run_plan(folder / kind, plan, items, commands, advance, interrupt)
            except KeyboardInterrupt:
                if not results:
                    raise
                break
            results[kind] = experiment_report(plan.stack, plan.eao_frames, _lengths(finished), scores)
    return results


def _lengths(sequences: Sequence[VotSequence]) -> list[int]:
    return [len(sequence.frames) for sequence in sequences]
