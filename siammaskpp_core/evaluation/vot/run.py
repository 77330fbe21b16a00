"""`siammaskpp evaluate --protocol vot`. Imported only then, as it needs the extra [vot]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from siammaskpp_core.arguments import options_from, words_of
from siammaskpp_core.data.sequences import VideoSequence, find_sequences
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.errors import MissingPackageError
from siammaskpp_core.evaluation.baselines import make_baseline
from siammaskpp_core.io.outputs import Output

try:
    from siammaskpp_core.evaluation.vot.dataset import VotSequence, label
    from siammaskpp_core.evaluation.vot.report import (
        draw_plot,
        experiment_report,
        markdown,
        report,
        write_report,
    )
    from siammaskpp_core.evaluation.vot.server import OWN_NAME
    from siammaskpp_core.evaluation.vot.toolkit import Plan, multi_start_plan, run_plan, supervised_plan
except ImportError as error:
    raise MissingPackageError(
        f"--protocol vot needs the VOT toolkit ({error}): pip install 'siammaskpp[vot]', then "
        "pip install --no-deps vot-toolkit==0.7.4 (by itself it would bring a second OpenCV)"
    ) from error


def run_vot(options: argparse.Namespace) -> None:
    """Run the toolkit on the sequences, print its scores, write the report if asked for."""
    sequences = _labelled(find_sequences(options.folders))
    commands = _commands(options)
    work = _work(sequences, options.realtime, options.vot_year)
    with ExitStack() as stack:
        folder = stack.enter_context(Output(options.output, is_folder=True)) if options.output else None
        place = folder or Path(stack.enter_context(TemporaryDirectory(prefix="siammaskpp-vot-")))
        result = report(_run_all(place / "workspaces", work, commands), options.vot_year)
        if folder:
            write_report(result, folder)
            draw_plot(result, folder)
    print(markdown(result))


def _labelled(found: Sequence[VideoSequence]) -> list[VotSequence]:
    sequences = [label(sequence) for sequence in found]
    for before, sequence in zip(found, sequences, strict=True):
        used, given = len(sequence.frames), len(before.frames)
        if used < given:
            print(
                f"{sequence.name}: the {used} of {given} frames where the object is labelled without a gap",
                file=sys.stderr,
            )
    return sequences


def _commands(options: argparse.Namespace) -> dict[str, list[str]]:
    """The commands that start the TraX servers; what cannot run is told before anything does."""
    # Without its threads: OpenVINO with a chosen number of them and the toolkit's native library in one
    # process end it with a segmentation fault. The servers are processes of their own.
    engine = options_from(EngineOptions, options)
    load_tracker(options.model, replace(engine, threads=0, cpu_affinity=False))
    server = [sys.executable, "-m", "siammaskpp_core.evaluation.vot.server"]
    own = words_of(engine)
    own += ["--model", str(options.model.resolve())] if options.model else []
    own += ["--rotated-box", options.rotated_box] if options.rotated_box else []
    commands = {OWN_NAME: [*server, *own]}
    for name in options.peers:
        make_baseline(name, options.nanotrack)
        folder = ["--nanotrack", str(options.nanotrack.resolve())] if options.nanotrack else []
        commands[name] = [*server, "--tracker", name, *folder]
    return commands


def _work(
    sequences: Sequence[VotSequence], realtime: bool, year: int | None
) -> dict[str, tuple[Plan, list[VotSequence]]]:
    """By kind of experiment: the plan, and the sequences with the truth that it takes."""
    drawn = [sequence.with_polygons() for sequence in sequences]
    masks = [sequence for sequence in sequences if sequence.has_masks]
    work = {"supervised": (supervised_plan(drawn, realtime, year), drawn)}
    if masks:
        work["multi_start"] = (multi_start_plan(masks, realtime), masks)
    return work


def _run_all(
    folder: Path, work: Mapping[str, tuple[Plan, list[VotSequence]]], commands: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    lengths = {kind: [len(sequence.frames) for sequence in items] for kind, (_, items) in work.items()}
    frames = sum(sum(lengths[kind]) * len(plan.experiments) for kind, (plan, _) in work.items())
    results = {}
    with tqdm(total=frames * len(commands), unit="frame") as bar:

        def on_sequence(label: str, frames: int) -> None:
            bar.set_description(label, refresh=False)
            bar.update(frames)

        for kind, (plan, items) in work.items():
            scores = run_plan(folder / kind, plan, items, commands, on_sequence)
            results[kind] = experiment_report(plan.stack, plan.eao_frames, lengths[kind], scores)
    return results
