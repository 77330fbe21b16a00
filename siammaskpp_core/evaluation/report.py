"""Report of a one-pass evaluation as a dictionary for JSON and as Markdown; the helpers of all tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from siammaskpp_core.evaluation import metrics
from siammaskpp_core.evaluation.one_pass import SequenceScore
from siammaskpp_core.evaluation.stress import Stress

Report = Mapping[str, Any]

TITLES = {
    "auc": "Success AUC",
    "precision": f"Precision at {metrics.PRECISION_PX} px",
    "normalised_precision": "Normalised precision",
    "J": "J",
    "F": "F",
}


def report(
    scores: Mapping[str, Mapping[str, SequenceScore]],
    stress: Stress | None = None,
    noise_seed: int | None = None,
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Return all values by tracker, and the `thresholds` at which their `curves` are sampled.

    `stress` and `noise_seed` say how the sequences were made harder, `left_out` which could not be used.
    """
    thresholds = metrics.Curves(
        metrics.SUCCESS_THRESHOLDS, metrics.PRECISION_THRESHOLDS_PX, metrics.NORMALISED_THRESHOLDS
    )
    return {
        "stress": stress,
        "noise_seed": noise_seed,
        "left_out": list(left_out),
        "trackers": {name: summary(sequences) for name, sequences in scores.items()},
        "thresholds": _lists(thresholds),
    }


def summary(scores: Mapping[str, SequenceScore]) -> dict[str, Any]:
    """Return the means of one tracker over its sequences, its mean curves, and the values of each sequence.

    `J` and `F` are means over the sequences with masks (None if there are none); all other values and the
    curves are means over all sequences. `fps` is the number of all frames divided by all seconds.
    """
    curves = metrics.mean_curves([score.curves for score in scores.values()])
    frames = sum(score.frames for score in scores.values())
    seconds = sum(score.seconds for score in scores.values())
    region = _mean(score.region for score in scores.values())
    boundary = _mean(score.boundary for score in scores.values())
    sequences = {
        name: _values(score.curves, score.region, score.boundary, score.frames, score.seconds)
        for name, score in scores.items()
    }
    means = _values(curves, region, boundary, frames, seconds)
    return {**means, "curves": _lists(curves), "sequences": sequences}


def _values(
    curves: metrics.Curves, region: float | None, boundary: float | None, frames: int, seconds: float
) -> dict[str, Any]:
    values = {**curves.values(), "J": region, "F": boundary}
    return {
        **{key: None if value is None else round(value, 4) for key, value in values.items()},
        "fps": round(frames / seconds, 1) if seconds > 0 else None,
        "frames": frames,
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _lists(curves: metrics.Curves) -> dict[str, list[float]]:
    return {name: values.round(4).tolist() for name, values in asdict(curves).items()}


def write_report(result: Report, folder: Path, sheets: Mapping[str, Path]) -> None:
    """Write `report.json` and `report.md` to `folder`.

    `sheets` are the :mod:`~siammaskpp_core.evaluation.failure_examples` of the sequences, in `folder`.
    """
    links = {name: quote(file.relative_to(folder).as_posix()) for name, file in sheets.items()}
    write_files(result, f"{markdown(result)}\n{failure_list(result, links)}\n", folder)


def write_files(result: Report, page: str, folder: Path) -> None:
    """Write `result` as `report.json` and `page` as `report.md` to `folder`."""
    (folder / "report.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(page, encoding="utf-8")


def markdown(result: Report) -> str:
    """Return the report as a page that shows the plots of :mod:`~siammaskpp_core.evaluation.plots`."""
    first = next(iter(result["trackers"].values()))
    made = {"stress": result["stress"], "noise seed": result["noise_seed"]}
    harder = "".join(f", {name} {value}" for name, value in made.items() if value is not None)
    parts = [
        "# Evaluation",
        f"One pass over {len(first['sequences'])} sequences, {first['frames']} frames{harder}.",
        "\n".join(f"- left out: {text}" for text in result["left_out"]),
        overall_table(result),
        "\n".join(f"![{name.replace('_', ' ')}]({name}.png)" for name in result["thresholds"]),
        "## Sequences",
        "![values of every sequence](sequences.png)",
    ]
    for key in measured(result):
        parts += [f"### {TITLES[key]}", sequence_table(result, key)]
    return "\n\n".join(filter(None, parts)) + "\n"


def failure_list(result: Report, links: Mapping[str, str]) -> str:
    """Return a list of `links` to the failure examples by sequence, the worst of the first tracker first."""
    sequences = next(iter(result["trackers"].values()))["sequences"]
    ranked = sorted(links, key=lambda name: sequences[name]["auc"])
    lines = [f"- [{name}]({links[name]}), success AUC {cell(sequences[name]['auc'])}" for name in ranked]
    return "\n".join(["## Failure examples", "", *lines])


def overall_table(result: Report) -> str:
    """Return the means of all trackers as a Markdown table."""
    rows = [["Tracker", *TITLES.values(), "FPS"]]
    for name, values in result["trackers"].items():
        rows.append([name, *(cell(values[key]) for key in TITLES), cell(values["fps"], ".1f")])
    return markdown_table(rows)


def sequence_table(result: Report, key: str) -> str:
    """Return a Markdown table of one of the :data:`TITLES` by sequence, for the trackers that have it."""
    trackers = {name: values for name, values in result["trackers"].items() if values[key] is not None}
    rows = [["Sequence", "Frames", *trackers]]
    for name, first in next(iter(trackers.values()))["sequences"].items():
        values = [cell(tracker["sequences"][name][key]) for tracker in trackers.values()]
        rows.append([name, str(first["frames"]), *values])
    return markdown_table(rows)


def measured(result: Report) -> list[str]:
    """Return the keys of :data:`TITLES` that at least one tracker has."""
    return [key for key in TITLES if any(values[key] is not None for values in result["trackers"].values())]


def cell(value: float | None, form: str = ".3f") -> str:
    """Return a value as the text of a table's cell, a dash for None."""
    return "-" if value is None else format(value, form)


def markdown_table(rows: list[list[str]]) -> str:
    """Return rows of cells, of which the first is the head, as a Markdown table with aligned columns."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    rule = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    lines = []
    for row in [rows[0], rule, *rows[1:]]:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
