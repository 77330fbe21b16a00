"""The VOT toolkit at work: its experiments and analyses in a workspace of its layout.

The rules are those of the toolkit's own stacks, from which the plans here are taken.
"""

from __future__ import annotations

import configparser
import json
import logging
import math
import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from siammaskpp_core.evaluation.vot.report import Score

# The toolkit sets its progress bars and messages by this; ours take their place.
logging.getLogger("vot").setLevel(logging.CRITICAL)

SUPERVISED_STACKS = {2016: "vot2016/rgb", 2018: "vot2018/shortterm", 2019: "vot2019/shortterm"}
MULTI_START_STACK = "vot2020/shortterm"
EAO_LOW_SHARE = 100 / 356
"""VOT2018's interval is 100 to 356 frames, and 356 the mean length of its sequences."""
LOG_LINES = 20


class VotError(UserError):
    """An evaluation that did not reach its end; the message holds the tracker's last words."""


@dataclass(frozen=True)
class Plan:
    """What one workspace runs: the toolkit's description of the experiments, by name.

    `stack` is the toolkit's from which they are. `eao_frames` are the bounds of the run lengths that the
    expected average overlap counts, as the toolkit takes them.
    """

    stack: str
    experiments: Mapping[str, Mapping[str, Any]]
    eao_frames: tuple[int, int]


def supervised_plan(sequences: Sequence[VotSequence], realtime: bool, year: int | None) -> Plan:
    """The reset-based experiment of VOT2013 to VOT2019, as in `year` or else fitted to `sequences`."""
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
    """The anchor-based experiment of VOT2020 and after, fitted to `sequences`."""
    experiments = _read_stack(MULTI_START_STACK, realtime)
    _fit(experiments, [length for sequence in sequences for length in sequence.run_lengths()])
    return Plan(MULTI_START_STACK, experiments, _eao_frames(experiments))


def _read_stack(stack: str, realtime: bool) -> dict[str, dict[str, Any]]:
    content = yaml.safe_load(Path(resolve_stack(stack)).read_text(encoding="utf-8"))["experiments"]
    if realtime and "realtime" not in content:
        raise VotError(f"the rules of {stack} know no real-time experiment")
    return {name: content[name] for name in ("baseline", "realtime")[: 1 + realtime]}


def _eao_analyses(experiments: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    analyses = [analysis for experiment in experiments.values() for analysis in experiment["analyses"]]
    return [analysis for analysis in analyses if analysis["type"].endswith("eao_score")]


def _eao_frames(experiments: Mapping[str, Mapping[str, Any]]) -> tuple[int, int]:
    analysis = _eao_analyses(experiments)[0]
    return analysis["low"], analysis["high"]


def _fit(experiments: Mapping[str, Mapping[str, Any]], lengths: Sequence[int]) -> None:
    """Scale the interval of the expected average overlap from VOT2018's mean length to these `lengths`."""
    mean = sum(lengths) / len(lengths)
    for analysis in _eao_analyses(experiments):
        analysis.update(low=max(round(EAO_LOW_SHARE * mean), 1), high=round(mean))


def run_plan(
    folder: Path,
    plan: Plan,
    sequences: Sequence[VotSequence],
    commands: Mapping[str, Sequence[str]],
    on_sequence: Callable[[str, int], None] = lambda label, frames: None,
) -> dict[str, dict[str, Score]]:
    """Scores by experiment and tracker, from a workspace made in the new `folder`.

    `commands` start the TraX servers of the trackers. `on_sequence` is called with a label and the number of
    frames after each sequence. Raises :class:`VotError` when a tracker dies or does not answer.
    """
    workspace = _workspace(folder, plan, sequences, commands)
    trackers = [workspace.registry[name] for name in commands]
    for experiment in workspace.stack:
        for tracker in trackers:
            for sequence in workspace.dataset:
                _run(experiment, tracker, sequence)
                on_sequence(f"{tracker.identifier}, {experiment.identifier}, {sequence.name}", len(sequence))
    results = _analyse(workspace, plan, trackers)
    return {
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


def _workspace(
    folder: Path, plan: Plan, sequences: Sequence[VotSequence], commands: Mapping[str, Sequence[str]]
) -> Workspace:
    write_dataset(folder / "sequences", sequences)
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


def _run(experiment: Experiment, tracker: Tracker, sequence: Any) -> None:
    try:
        run_experiment(experiment, tracker, [sequence])
    except TrackerException as error:
        cause = next((item for item in error.args if isinstance(item, TrackerException)), error)
        log = "\n".join((cause.log or "").strip().splitlines()[-LOG_LINES:])
        raise VotError(f"{tracker.identifier} failed in {sequence.name}: {cause}\n{log}") from error


def _analyse(
    workspace: Workspace, plan: Plan, trackers: Sequence[Tracker]
) -> dict[str, list[dict[str, list[Any]]]]:
    """For each experiment and tracker, what each type of analysis found."""
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(1) as executor,
        AnalysisProcessor(executor, LRUCache(1000)),
    ):
        # The mean over an interval that no run reaches is NaN, and becomes None here.
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
    """Seconds for each frame that was tracked, 0 for those that were skipped."""
    times = []
    for sequence in experiment.transform(workspace.dataset):
        _, files, results = experiment.scan(tracker, sequence)
        for file in files:
            if file.endswith(".bin"):
                trajectory = Trajectory.read(results, file.removesuffix(".bin"))
                frames = [trajectory.properties(index) for index in range(len(trajectory))]
                times += [frame["time"] for frame in frames if "time" in frame]
    return times


def _score(values: Mapping[str, Any], frames: int, times: Sequence[float]) -> Score:
    if "supervised_average_ar" in values:
        accuracy = values["supervised_average_ar"][0]
        # As published in VOT2016 to VOT2019; the toolkit's own value is per sequence.
        robustness = 100 * values["cumulative_failures"][0] / frames
        eao = values["supervised_eao_score"][0]
    else:
        accuracy, robustness = values["multistart_average_ar"][:2]
        eao = values["multistart_eao_score"][0]
    return Score(
        accuracy=accuracy,
        robustness=robustness,
        eao=None if math.isnan(eao) else eao,
        frames=len(times),
        skipped=sum(seconds == 0 for seconds in times),
    )
