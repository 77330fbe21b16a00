"""Run the VOT toolkit: plans of its experiments, a workspace in its layout, and its analyses.

The plans are taken from the stacks of experiments that the toolkit itself holds.
"""

from __future__ import annotations

import configparser
import json
import logging
import math
import shlex
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from cachetools import LRUCache
from vot.analysis import AnalysisProcessor, process_stack_analyses
from vot.experiment import Experiment, run_experiment
from vot.report import generate_serialized
from vot.stack import resolve_stack
from vot.tracker import Tracker, TrackerException, Trajectory
from vot.workspace import Workspace

from siammaskpp_core.errors import UserError
from siammaskpp_core.evaluation.vot.dataset import VotSequence, write_dataset
from siammaskpp_core.evaluation.vot.report import VotScore
from siammaskpp_core.outcome import Interrupt

# This level also hides the toolkit's own progress bars and messages.
logging.getLogger("vot").setLevel(logging.CRITICAL)

SUPERVISED_STACKS = {2016: "vot2016/rgb", 2018: "vot2018/shortterm", 2019: "vot2019/shortterm"}
MULTI_START_STACK = "vot2020/shortterm"
EAO_LOW_FRACTION = 100 / 356
"""Bounds of the EAO interval of VOT2018, 100 and 356 frames; 356 is the mean length of its sequences."""
LOG_LINES = 20
"""Lines of a failed tracker's log that the error message quotes."""


class VotError(UserError):
    """An evaluation that failed or is not possible; the message quotes the log of a tracker that failed."""


@dataclass(frozen=True)
class Plan:
    """The experiments of one workspace by name, in the toolkit's own description.

    `stack` names the toolkit's stack from which they are taken. `eao_frames` are the bounds of the run
    lengths over which the expected average overlap is the mean.
    """

    stack: str
    experiments: Mapping[str, Mapping[str, Any]]
    eao_frames: tuple[int, int]


class PlanResult(NamedTuple):
    """The scores by experiment and tracker, on those sequences that are finished."""

    scores: dict[str, dict[str, VotScore]]
    sequences: Sequence[VotSequence]


def supervised_plan(sequences: Sequence[VotSequence], realtime: bool, year: int | None) -> Plan:
    """Return the reset-based experiment of VOT2013 to VOT2019 by the rules of `year`.

    Without a year, the rules of 2018 are fitted to `sequences`. Raises :class:`VotError` when that year
    has no real-time experiment.
    """
    stack = SUPERVISED_STACKS[year or 2018]
    experiments = _read_stack(stack, realtime)
    for experiment in experiments.values():
        experiment["analyses"].append({"type": "cumulative_failures"})
        if not year:
            experiment["repetitions"] = 1
    if not year:
        _fit(experiments, [len(sequence.frames) for sequence in sequences])
    return Plan(stack, experiments, _eao_frames(experiments))


def multi_start_plan(sequences: Sequence[VotSequence], realtime: bool) -> Plan:
    """Return the anchor-based experiment of VOT2020 and after, fitted to `sequences`."""
    experiments = _read_stack(MULTI_START_STACK, realtime)
    _fit(experiments, [length for sequence in sequences for length in sequence.run_lengths()])
    return Plan(MULTI_START_STACK, experiments, _eao_frames(experiments))


def _read_stack(stack: str, realtime: bool) -> dict[str, dict[str, Any]]:
    content = yaml.safe_load(Path(resolve_stack(stack)).read_text(encoding="utf-8"))["experiments"]
    if realtime and "realtime" not in content:
        raise VotError(f"the rules of {stack} have no real-time experiment")
    return {name: content[name] for name in ("baseline", "realtime")[: 1 + realtime]}


def _eao_analyses(experiments: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    analyses = [analysis for experiment in experiments.values() for analysis in experiment["analyses"]]
    return [analysis for analysis in analyses if analysis["type"].endswith("eao_score")]


def _eao_frames(experiments: Mapping[str, Mapping[str, Any]]) -> tuple[int, int]:
    analysis = _eao_analyses(experiments)[0]
    return analysis["low"], analysis["high"]


def _fit(experiments: Mapping[str, Mapping[str, Any]], lengths: Sequence[int]) -> None:
    """Scale the EAO interval in place from the mean length in VOT2018 to the mean of `lengths`."""
    mean = sum(lengths) / len(lengths)
    for analysis in _eao_analyses(experiments):
        analysis.update(low=max(round(EAO_LOW_FRACTION * mean), 1), high=round(mean))


def run_plan(
    folder: Path,
    plan: Plan,
    sequences: Sequence[VotSequence],
    commands: Mapping[str, Sequence[str]],
    on_sequence: Callable[[str, int], None] = lambda label, frames: None,
    interrupt: Interrupt | None = None,
) -> PlanResult:
    """Run a plan in a workspace in the new `folder`; returns the scores by experiment and tracker.

    `commands` start the TraX servers of the trackers by name. `on_sequence` is called after each sequence
    with a label and the number of frames. Raises :class:`VotError` when a tracker dies or does not answer.
    Ctrl-C leaves the sequences that are finished in all experiments by all trackers; it raises
    KeyboardInterrupt when there are none.
    """
    interrupt = interrupt or Interrupt()
    write_dataset(folder / "sequences", sequences)
    workspace = _workspace(folder, plan, commands)
    finished = 0
    for sequence in workspace.dataset:
        try:
            for experiment, name in product(workspace.stack, commands):
                with _asking(sequence, interrupt):
                    _run(experiment, workspace.registry[name], sequence, interrupt)
                on_sequence(f"{name}, {experiment.identifier}, {sequence.name}", len(sequence))
        except KeyboardInterrupt:
            if not finished:
                raise
            break
        finished += 1
    if finished < len(sequences):
        sequences = sequences[:finished]
        shutil.rmtree(folder / "sequences")
        write_dataset(folder / "sequences", sequences)
        workspace = Workspace.load(str(folder))
    trackers = [workspace.registry[name] for name in commands]
    results = _analyse(workspace, plan, trackers)
    scores = {
        experiment.identifier: {
            tracker.identifier: _score(
                results[experiment.identifier][index],
                sum(len(sequence.frames) for sequence in sequences),
                _times(workspace, experiment, tracker),
            )
            for index, tracker in enumerate(trackers)
        }
        for experiment in workspace.stack
    }
    return PlanResult(scores, sequences)


def _workspace(folder: Path, plan: Plan, commands: Mapping[str, Sequence[str]]) -> Workspace:
    stack = {"title": "siammaskpp", "experiments": dict(plan.experiments)}
    (folder / "stack.yaml").write_text(yaml.safe_dump(stack), encoding="utf-8")
    registry = configparser.RawConfigParser()
    for name, command in commands.items():
        escaped = shlex.join(command).replace("%", "%%")
        registry[name] = {"label": name, "protocol": "trax", "command": escaped}
    with (folder / "trackers.ini").open("w", encoding="utf-8") as file:
        registry.write(file)
    settings = {"stack": "stack.yaml", "registry": ["./trackers.ini"]}
    Workspace.initialize(str(folder), settings, download=False)
    return Workspace.load(str(folder))


@contextmanager
def _asking(sequence: Any, interrupt: Interrupt) -> Iterator[None]:
    """Raise KeyboardInterrupt when the toolkit takes the next picture of `sequence` after Ctrl-C.

    An error that is raised as soon as the signal comes would be lost in a callback of the toolkit's library.
    """
    channel = sequence.channel

    def checked_channel(*arguments: Any) -> Any:
        if interrupt.is_requested:
            raise KeyboardInterrupt
        return channel(*arguments)

    sequence.channel = checked_channel
    try:
        yield
    finally:
        del sequence.channel


def _run(experiment: Experiment, tracker: Tracker, sequence: Any, interrupt: Interrupt) -> None:
    try:
        run_experiment(experiment, tracker, [sequence])
    except TrackerException as error:
        if interrupt.is_requested:  # the tracker has received the signal, too
            raise KeyboardInterrupt from error
        cause = next((item for item in error.args if isinstance(item, TrackerException)), error)
        log = "\n".join((cause.log or "").strip().splitlines()[-LOG_LINES:])
        raise VotError(f"{tracker.identifier} failed in {sequence.name}: {cause}\n{log}") from error


def _analyse(
    workspace: Workspace, plan: Plan, trackers: Sequence[Tracker]
) -> dict[str, list[dict[str, list[Any]]]]:
    """Return the values of each type of analysis, by experiment, in the order of the trackers."""
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(1) as executor,
        AnalysisProcessor(executor, LRUCache(1000)),
    ):
        # The mean over an interval that no run reaches is NaN; numpy warns, and `_score` makes it None.
        warnings.simplefilter("ignore", RuntimeWarning)
        results = process_stack_analyses(workspace, trackers)
    storage = workspace.storage.substorage("analysis")
    generate_serialized(trackers, workspace.dataset, results, storage, "json", "results")
    document = json.loads((Path(workspace.directory) / "analysis" / "results.json").read_text())
    found = {}
    for name, experiment in plan.experiments.items():
        types = [analysis["type"] for analysis in experiment["analyses"]]
        rows = zip(*document["results"][name]["results"], strict=True)
        found[name] = [dict(zip(types, row, strict=True)) for row in rows]
    return found


def _times(workspace: Workspace, experiment: Experiment, tracker: Tracker) -> list[float]:
    """Return the seconds for each frame that was tracked, 0 for a frame that was skipped."""
    times = []
    for sequence in experiment.transform(workspace.dataset):
        _, files, results = experiment.scan(tracker, sequence)
        for file in files:
            if file.endswith(".bin"):
                trajectory = Trajectory.read(results, file.removesuffix(".bin"))
                frames = [trajectory.properties(index) for index in range(len(trajectory))]
                times += [frame["time"] for frame in frames if "time" in frame]
    return times


def _score(values: Mapping[str, Any], frames: int, times: Sequence[float]) -> VotScore:
    if "supervised_average_ar" in values:
        accuracy = values["supervised_average_ar"][0]
        # VOT2016 to VOT2019 published failures per 100 frames; the toolkit's own value is per sequence.
        robustness = 100 * values["cumulative_failures"][0] / frames
        eao = values["supervised_eao_score"][0]
    else:
        accuracy, robustness = values["multistart_average_ar"][:2]
        eao = values["multistart_eao_score"][0]
    return VotScore(
        accuracy=accuracy,
        robustness=robustness,
        eao=None if math.isnan(eao) else eao,
        frames=len(times),
        skipped=sum(seconds == 0 for seconds in times),
    )
