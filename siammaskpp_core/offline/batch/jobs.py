"""The jobs of a batch, as a YAML file describes them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from siammaskpp_core.arguments import moment
from siammaskpp_core.config import ConfigError, load_yaml, shown
from siammaskpp_core.io.frame import Moment
from siammaskpp_core.offline.journal import run_key
from siammaskpp_core.offline.session import Selection, with_ids
from siammaskpp_core.offline.writers.base import file_name
from siammaskpp_core.offline.writers.formats import BAG, FORMATS

DEFAULT_FORMATS = ("video", "csv")
OUTPUT_NAMES = {"video": "overlay.mp4", "csv": "tracks.csv", "json": "tracks.json"}
"""Names of outputs in the folder of a job; the others are called as their format."""

_FILE_KEYS = ("output", "formats", "classes", "jobs")
_JOB_KEYS = ("name", "video", "bag", "topic", "targets", "start", "end", "formats")
_TARGET_KEYS = ("id", "label", "box", "point", "at", "remove")


@dataclass(frozen=True)
class Job:
    """One recording with its targets, as plain values that can be sent to another process or machine."""

    name: str
    """Name of the folder of the results."""
    source: str
    """Video, folder of pictures, or bag; an absolute path, or the address of a stream."""
    topic: str | None
    """Topic of the images of a bag; None for a video."""
    targets: tuple[dict[str, Any], ...]
    """The selections, each a mapping with the keys of the file."""
    formats: tuple[str, ...] = DEFAULT_FORMATS
    start: str | int | None = None
    end: str | int | None = None
    model: str | None = None
    """Model folder; None for the model of the package."""
    engine: dict[str, Any] = field(default_factory=dict)
    """The fields of :class:`~siammaskpp_core.engines.options.EngineOptions`."""
    rotated_box: str | None = None
    classes: tuple[str, ...] = ()
    """The labels of all jobs of the batch, so that a class has one number in all data sets."""

    def to_json(self) -> str:
        """Return the job as a JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Return the job that :meth:`to_json` wrote."""
        values = json.loads(text)
        lists = {name: tuple(values[name]) for name in ("targets", "formats", "classes")}
        return cls(**{**values, **lists})

    def fingerprint(self) -> str:
        """Return a digest of the job, its recording and this version; equal ones give equal results."""
        values = asdict(self)
        values["engine"].pop("threads", None)  # they change the speed alone
        values["classes"] = {
            title: self.classes.index(title) for title in self.titles() if title in self.classes
        }
        return run_key(Path(values.pop("source")), **values)

    def selections(self) -> list[Selection]:
        """Return the selections of the targets."""
        return [_selection(target, self.name) for target in self.targets]

    def titles(self) -> list[str]:
        """Return the classes of the targets, each once."""
        set_here = (selection for selection in with_ids(self.selections()) if not selection.is_removal)
        return list(dict.fromkeys(selection.label or selection.id for selection in set_here))

    def moments(self) -> tuple[Moment | None, Moment | None]:
        """Return the first and the last moment that is tracked."""
        return _moment(self.start, f"{self.name}: start"), _moment(self.end, f"{self.name}: end")


@dataclass(frozen=True)
class JobFile:
    """The content of a file of jobs."""

    jobs: tuple[Job, ...]
    output: Path
    """Folder for the results of all jobs."""


def read_jobs(path: Path) -> JobFile:
    """Read a file of jobs; relative paths in it begin at its folder.

    Raises :class:`ConfigError` that names the job and the key when something in it cannot be used. Whether
    the recordings exist is not checked here: a bad one must not stop the others.
    """
    content = load_yaml(path)
    _check_keys(content, _FILE_KEYS, str(path))
    entries = content.get("jobs")
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{path}: a list of jobs is expected, each with video: or bag:, and targets:")
    formats = _formats(content.get("formats"), f"{path}: formats") or DEFAULT_FORMATS
    taken: dict[str, int] = {}
    jobs = []
    for number, entry in enumerate(entries, start=1):
        job = _job(entry, path, f"{path}: job {number}", formats)
        if job.name in taken:
            raise ConfigError(
                f"{path}: job {number}: the name {job.name} is that of job {taken[job.name]}; give it "
                "another, for example name: cup_2"
            )
        taken[job.name] = number
        jobs.append(job)
    classes = _classes(content.get("classes"), jobs, f"{path}: classes")
    output = content.get("output") or f"{path.stem}_results"
    if not isinstance(output, str):
        raise ConfigError(f"{path}: output: a folder is expected, not {shown(output)}")
    return JobFile(tuple(replace(job, classes=classes) for job in jobs), path.parent / output)


def output_name(format: str) -> str:
    """Return the name of the output of a format in the folder of its job."""
    return OUTPUT_NAMES.get(format, format)


def _job(entry: Any, path: Path, place: str, formats: tuple[str, ...]) -> Job:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{place}: a mapping such as {{video: cup.mp4, targets: ...}} is expected")
    _check_keys(entry, _JOB_KEYS, place)
    kind = [key for key in ("video", "bag") if key in entry]
    if len(kind) != 1:
        raise ConfigError(f"{place}: one of video: and bag: is expected")
    text = str(entry[kind[0]])
    source = text if "://" in text else str((path.parent / text).resolve())
    topic = entry.get("topic")
    if (kind == ["bag"]) != isinstance(topic, str):
        raise ConfigError(f"{place}: topic: names the images of a bag, for example topic: /camera/image_raw")
    targets = entry.get("targets")
    if not isinstance(targets, list) or not targets:
        raise ConfigError(
            f"{place}: targets: a list is expected, for example [{{box: [306, 122, 110, 262]}}]"
        )
    name = file_name(str(entry.get("name") or Path(text).stem))
    own_formats = _formats(entry.get("formats"), f"{place}: formats") or formats
    if topic is None and BAG in own_formats:
        raise ConfigError(f"{place}: formats: the results of a video cannot be a bag")
    job = Job(name, source, topic, tuple(targets), own_formats, entry.get("start"), entry.get("end"))
    for target in targets:
        _selection(target, place)
    for key in ("start", "end"):
        _moment(entry.get(key), f"{place}: {key}")
    return job


def _selection(target: Any, place: str) -> Selection:
    if not isinstance(target, Mapping):
        raise ConfigError(
            f"{place}: targets: {{box: [x, y, width, height]}} is expected, not {shown(target)}"
        )
    _check_keys(target, _TARGET_KEYS, f"{place}: targets")
    box = _numbers(target.get("box"), 4, f"{place}: box")
    point = _numbers(target.get("point"), 2, f"{place}: point")
    is_removed = target.get("remove", False)
    if (box is not None) + (point is not None) + bool(is_removed) != 1:
        raise ConfigError(f"{place}: targets: one of box, point and remove: true is expected")
    if is_removed and not target.get("id"):
        raise ConfigError(f"{place}: targets: remove needs the id of the target")
    return Selection(
        box_xywh=box,  # type: ignore[arg-type]
        point_xy=point,  # type: ignore[arg-type]
        id=str(target.get("id", "")),
        label=str(target.get("label", "")),
        at=_moment(target.get("at"), f"{place}: at"),
    )


def _numbers(value: Any, count: int, place: str) -> tuple[float, ...] | None:
    if value is None:
        return None
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    if not is_list or len(value) != count or not all(isinstance(each, (int, float)) for each in value):
        raise ConfigError(f"{place}: {count} numbers are expected, not {shown(value)}")
    return tuple(float(each) for each in value)


def _moment(value: Any, place: str) -> Moment | None:
    if value is None:
        return None
    try:
        return Moment(*moment(str(value)))
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{place}: {error}") from error


def _formats(value: Any, place: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    known = (*FORMATS, BAG)
    if not isinstance(value, list) or not value or any(each not in known for each in value):
        raise ConfigError(f"{place}: a list of {', '.join(known)} is expected, not {shown(value)}")
    return tuple(dict.fromkeys(value))


def _classes(value: Any, jobs: Sequence[Job], place: str) -> tuple[str, ...]:
    """Return the classes that the file names, and behind them the other labels as they appear."""
    if value is not None and (
        not isinstance(value, list) or not all(isinstance(each, str) for each in value)
    ):
        raise ConfigError(f"{place}: a list of labels is expected, not {shown(value)}")
    return tuple(dict.fromkeys([*(value or ()), *(title for job in jobs for title in job.titles())]))


def _check_keys(values: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    unknown = [shown(key) for key in values if key not in known]
    if unknown:
        raise ConfigError(f"{place}: unknown key {', '.join(unknown)}; known keys are {', '.join(known)}")
