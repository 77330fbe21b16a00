"""Plots of a report: the curves of all trackers and a table of every sequence. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.errors import extra
from siammaskpp_core.evaluation.metrics import PRECISION_PX
from siammaskpp_core.evaluation.report import TITLES, Report, cell, measured

with extra("eval", "for plots"):
    from matplotlib.figure import Figure

# Okabe and Ito (2008): colour-blind people can tell these colours apart.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DPI = 150
ROW_INCHES, COLUMN_INCHES = 0.27, 0.72


class CurveStyle(NamedTuple):
    """Titles of one plot; `key` names the value in its legend, and a line marks `marked_x`."""

    key: str
    title: str
    x_label: str
    y_label: str
    marked_x: float | None = None


CURVES = {
    "success": CurveStyle("auc", "Success", "overlap threshold", "fraction of frames above"),
    "precision": CurveStyle(
        "precision", "Precision", "centre error threshold / px", "fraction of frames within", PRECISION_PX
    ),
    "normalised_precision": CurveStyle(
        "normalised_precision",
        "Normalised precision",
        "centre error threshold / size of the true box",
        "fraction of frames within",
    ),
}


def draw_plots(result: Report, folder: Path) -> None:
    """Write `success.png`, `precision.png`, `normalised_precision.png` and `sequences.png` to `folder`."""
    for kind in CURVES:
        curve_figure(result, kind).savefig(folder / f"{kind}.png", dpi=DPI)
    sequence_figure(result).savefig(folder / "sequences.png", dpi=DPI)


def curve_figure(result: Report, kind: str) -> Figure:
    """Draw one of the :data:`CURVES` for all trackers; the legend begins with the best."""
    curve = CURVES[kind]
    trackers: Mapping[str, Any] = result["trackers"]
    thresholds = result["thresholds"][kind]
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    colours = dict(zip(trackers, cycle(COLOURS)))  # in order of `trackers`, so that all plots agree
    own = next(iter(trackers))
    for name in sorted(trackers, key=lambda name: trackers[name][curve.key], reverse=True):
        axes.plot(
            thresholds,
            trackers[name]["curves"][kind],
            label=f"{name}  {cell(trackers[name][curve.key])}",
            color=colours[name],
            linewidth=2.6 if name == own else 1.6,
            zorder=3 if name == own else 2,
        )
    if curve.marked_x is not None:
        axes.axvline(curve.marked_x, color="0.4", linewidth=0.8, linestyle=":")
    axes.legend(title=TITLES[curve.key])
    axes.set(
        title=f"{curve.title}, {len(trackers[own]['sequences'])} sequences",
        xlabel=curve.x_label,
        ylabel=curve.y_label,
        xlim=(thresholds[0], thresholds[-1]),
        ylim=(0, 1),
    )
    axes.grid(alpha=0.3)
    return figure


def sequence_figure(result: Report) -> Figure:
    """Draw a table of all values by sequence and tracker: better is darker, the best of a row is bold."""
    panels = {
        key: [name for name, values in result["trackers"].items() if values[key] is not None]
        for key in measured(result)
    }
    first = next(iter(result["trackers"].values()))
    rows = [*first["sequences"], "mean"]
    columns = sum(map(len, panels.values()))
    figure = Figure(
        figsize=(1.6 + columns * COLUMN_INCHES, 1.3 + len(rows) * ROW_INCHES), layout="constrained"
    )
    all_axes = figure.subplots(
        1, len(panels), squeeze=False, gridspec_kw={"width_ratios": [len(names) for names in panels.values()]}
    )[0]
    for axes, (key, names) in zip(all_axes, panels.items(), strict=True):
        trackers = [result["trackers"][name] for name in names]
        values = [[tracker["sequences"][row][key] for tracker in trackers] for row in rows[:-1]]
        values.append([tracker[key] for tracker in trackers])
        _draw_table(axes, np.array(values, dtype=float))
        axes.set_title(TITLES[key], fontsize=10)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="left")
        axes.set_yticks(range(len(rows)), rows if axes is all_axes[0] else [""] * len(rows))
    return figure


def _draw_table(axes: Any, values: Float64Array) -> None:
    """Draw coloured cells [R, C] with their numbers; a gap separates the last row, which holds the means."""
    # With the scale up to 1.4, the colour of 1 is light enough for black text.
    axes.imshow(values, cmap="YlGn", vmin=0, vmax=1.4, aspect="auto")
    axes.axhline(len(values) - 1.5, color="white", linewidth=4)
    for (row, column), value in np.ndenumerate(values):
        is_best = values.shape[1] > 1 and value == np.nan_to_num(values[row]).max()
        axes.text(
            column,
            row,
            cell(None if np.isnan(value) else value, ".2f"),
            ha="center",
            va="center",
            fontsize=8,
            weight="bold" if is_best else "normal",
        )
    axes.tick_params(length=0, labelsize=8, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
