"""Report of the VOT experiments as a dictionary for JSON, as Markdown and as an accuracy-robustness plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from siammaskpp_core.evaluation.plots import COLOURS, DPI
from siammaskpp_core.evaluation.report import Report, cell, markdown_table, write_files

PLOT = "accuracy_robustness.png"
MARKERS = {"baseline": "o", "realtime": "^"}
SENSITIVITY_FRAMES = 30
"""VOT's S: the reliability is the probability of tracking this many frames without a failure."""


@dataclass(frozen=True)
class VotScore:
    """The score of one tracker in one experiment.

    `robustness` is the number of failures per 100 frames in a supervised experiment (less is better), and
    the fraction of frames before a failure in a multi-start experiment (more is better). `eao` is None when
    no run is long enough for the interval. `skipped` of the `frames` passed while the tracker was busy.
    """

    accuracy: float
    robustness: float
    eao: float | None
    frames: int
    skipped: int


class PublishedScore(NamedTuple):
    """A row of the tables in Choi, Lee and Lim, *SiamMask++*, 2021; `mask` is the form of the mask branch."""

    year: int
    tracker: str
    mask: str
    accuracy: float
    robustness: float
    eao: float


PUBLISHED = (
    PublishedScore(2016, "SiamMask", "bi", 0.637, 0.280, 0.385),
    PublishedScore(2016, "SiamMask++", "bi", 0.632, 0.266, 0.406),
    PublishedScore(2016, "SiamMask", "re", 0.626, 0.289, 0.403),
    PublishedScore(2016, "SiamMask++", "re", 0.653, 0.252, 0.435),
    PublishedScore(2018, "SiamMask", "bi", 0.612, 0.417, 0.297),
    PublishedScore(2018, "SiamMask++", "bi", 0.603, 0.318, 0.366),
    PublishedScore(2018, "SiamMask", "re", 0.601, 0.417, 0.321),
    PublishedScore(2018, "SiamMask++", "re", 0.626, 0.262, 0.398),
    PublishedScore(2019, "SiamMask", "bi", 0.593, 0.657, 0.254),
    PublishedScore(2019, "SiamMask++", "bi", 0.593, 0.547, 0.283),
    PublishedScore(2019, "SiamMask", "re", 0.600, 0.647, 0.262),
    PublishedScore(2019, "SiamMask++", "re", 0.618, 0.482, 0.300),
)


@dataclass(frozen=True)
class ExperimentKind:
    """The title of a kind of experiment, the meaning of its robustness, and the x axis of its plot."""

    title: str
    robustness_note: str
    x_label: str


KINDS = {
    "supervised": ExperimentKind(
        "Supervised experiment",
        "failures per 100 frames, less is better",
        f"reliability: tracked for {SENSITIVITY_FRAMES} frames without a failure",
    ),
    "multi_start": ExperimentKind(
        "Multi-start experiment on masks",
        "fraction of frames tracked, more is better",
        "robustness: fraction of frames tracked",
    ),
}
MODES = {"baseline": "", "realtime": ", in real time"}


def experiment_report(
    stack: str,
    eao_frames: tuple[int, int],
    lengths: Sequence[int],
    scores: Mapping[str, Mapping[str, VotScore]],
) -> dict[str, Any]:
    """Return the report of one kind of experiment: its rules, its frames, its scores by mode and tracker."""
    return {
        "rules": stack,
        "sequences": len(lengths),
        "frames": sum(lengths),
        "eao_frames": list(eao_frames),
        "trackers": {
            mode: {name: _rounded(asdict(score)) for name, score in trackers.items()}
            for mode, trackers in scores.items()
        },
    }


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}


def report(experiments: Mapping[str, Report], year: int | None) -> dict[str, Any]:
    """Return the reports by the :data:`KINDS`, and the published scores of `year` (default: of all years)."""
    published = [row._asdict() for row in PUBLISHED if year in (None, row.year)]
    return {"protocol": "vot", **experiments, "published": published}


def write_report(result: Report, folder: Path) -> None:
    """Write `report.json` and `report.md` to `folder`."""
    page = f"# VOT evaluation\n\n![accuracy and robustness]({PLOT})\n\n{markdown(result)}\n"
    write_files(result, page, folder)


def markdown(result: Report) -> str:
    """Return a section for each experiment and mode."""
    parts = []
    for kind in KINDS:
        for mode in result[kind]["trackers"] if kind in result else ():
            parts += _section(kind, mode, result)
    return "\n\n".join(parts)


def _section(kind: str, mode: str, result: Report) -> list[str]:
    experiment = result[kind]
    low, high = experiment["eao_frames"]
    head = ["Tracker", "measured on", "accuracy", "robustness", "EAO"]
    rows = [[name, "this folder", *_cells(values)] for name, values in experiment["trackers"][mode].items()]
    if kind == "supervised" and mode == "baseline":
        rows += [
            [f"{row['tracker']} {row['mask']}", f"VOT{row['year']}, published", *_cells(row)]
            for row in result["published"]
        ]
    notes = (
        f"Rules: {experiment['rules']}. Sequences: {experiment['sequences']}, "
        f"frames: {experiment['frames']}. "
        f"Robustness: {KINDS[kind].robustness_note}. EAO interval: {low} to {high} frames."
    )
    if mode == "realtime":
        head.append("frames skipped")
        for row, values in zip(rows, experiment["trackers"][mode].values(), strict=True):
            row.append(f"{values['skipped']} of {values['frames']}")
    return [f"## {KINDS[kind].title}{MODES[mode]}", notes, markdown_table([head, *rows])]


def _cells(values: Mapping[str, Any]) -> list[str]:
    return [cell(values[key]) for key in ("accuracy", "robustness", "eao")]


def draw_plot(result: Report, folder: Path) -> None:
    """Write the accuracy-robustness plots of `result` to `folder`."""
    plot_figure(result).savefig(folder / PLOT, dpi=DPI)


def plot_figure(result: Report) -> Figure:
    """Draw the accuracy-robustness plots of all kinds of experiments side by side."""
    kinds = [kind for kind in KINDS if kind in result]
    figure = Figure(figsize=(5.0 * len(kinds), 4.6), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        _draw(axes, kind, result[kind])
    return figure


def _draw(axes: Any, kind: str, experiment: Report) -> None:
    for mode, trackers in experiment["trackers"].items():
        for (name, values), colour in zip(trackers.items(), cycle(COLOURS)):
            axes.scatter(
                reliability(kind, values["robustness"]),
                values["accuracy"],
                s=90,
                marker=MARKERS[mode],
                color=colour,
                edgecolor="black",
                alpha=0.9,
                label=f"{name}{MODES[mode]}",
                clip_on=False,
                zorder=3,
            )
    title, x_label = KINDS[kind].title, KINDS[kind].x_label
    axes.set(title=title, xlabel=x_label, ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="lower left")
    axes.grid(alpha=0.3)


def reliability(kind: str, robustness: float) -> float:
    """Return robustness as a probability: exp(-S F / N) for F failures in N frames (VOT2014 and after)."""
    return math.exp(-SENSITIVITY_FRAMES * robustness / 100) if kind == "supervised" else robustness
