"""The A-R plot: accuracy over robustness, the best tracker in the upper right corner. Needs matplotlib."""

from __future__ import annotations

import math
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from siammaskpp_core.evaluation.plots import COLOURS, DPI
from siammaskpp_core.evaluation.vot_report import KINDS, MODES, PLOT, Report

SENSITIVITY_FRAMES = 30
"""VOT's S: the reliability is the probability of tracking so many frames without a failure."""
MARKERS = {"baseline": "o", "realtime": "^"}


def draw_plot(result: Report, folder: Path) -> None:
    """Write the A-R plots of `result` to `folder`."""
    plot_figure(result).savefig(folder / PLOT, dpi=DPI)


def plot_figure(result: Report) -> Figure:
    """One A-R plot for each kind of experiment, side by side."""
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
    labels = {
        "supervised": f"reliability: tracked for {SENSITIVITY_FRAMES} frames without a failure",
        "multi_start": "robustness: share of frames tracked",
    }
    axes.set(
        title=KINDS[kind].title,
        xlabel=labels[kind],
        ylabel="accuracy",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    axes.legend(loc="lower left")
    axes.grid(alpha=0.3)


def reliability(kind: str, robustness: float) -> float:
    """Robustness as a probability: exp(-S F / N) for F failures in N frames (VOT2014 and after)."""
    return math.exp(-SENSITIVITY_FRAMES * robustness / 100) if kind == "supervised" else robustness
