"""Scores as a JSON-ready dictionary and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from siammaskpp_core.evaluation.runner import SequenceScore

Scores = Mapping[str, SequenceScore]


def summary(scores: Scores) -> dict[str, Any]:
    """One tracker's means over its sequences, and each sequence's values.

    `auc`, `precision` and `normalised_precision` are means over all sequences, `J` and `F` over those with
    masks (None if there are none), `fps` all frames by all seconds.
    """
    sequences = {name: _values(score) for name, score in scores.items()}
    keys = ("auc", "precision", "normalised_precision", "J", "F")
    means = {key: _mean([values[key] for values in sequences.values()]) for key in keys}
    frames = sum(score.frames for score in scores.values())
    seconds = sum(score.seconds for score in scores.values())
    return {**means, "fps": _rate(frames, seconds), "sequences": sequences}


def _values(score: SequenceScore) -> dict[str, Any]:
    return {
        "auc": _rounded(score.auc),
        "precision": _rounded(score.precision),
        "normalised_precision": _rounded(score.normalised_precision),
        "J": _rounded(score.region),
        "F": _rounded(score.boundary),
        "fps": _rate(score.frames, score.seconds),
        "frames": score.frames,
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _rounded(float(np.mean(known))) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _rate(frames: int, seconds: float) -> float | None:
    return round(frames / seconds, 1) if seconds > 0 else None


def report(scores: Mapping[str, Scores]) -> dict[str, Any]:
    """The summary of the first tracker, with those of the others under `peers`."""
    own, *others = scores
    return {
        "tracker": own,
        **summary(scores[own]),
        "peers": {name: summary(scores[name]) for name in others},
    }


def table(result: Mapping[str, Any]) -> str:
    """A report as two Markdown tables: trackers side by side, and their success AUC per sequence."""
    trackers = {result["tracker"]: result, **result["peers"]}
    means = [["tracker", "AUC", "precision", "norm. precision", "J", "F", "FPS"]]
    for name, values in trackers.items():
        keys = ("auc", "precision", "normalised_precision", "J", "F")
        means.append([name, *(_cell(values[key]) for key in keys), _cell(values["fps"], ".1f")])
    rows = [["sequence", "frames", *trackers, "J", "F"]]
    for name, own in result["sequences"].items():
        aucs = [_cell(values["sequences"][name]["auc"]) for values in trackers.values()]
        rows.append([name, str(own["frames"]), *aucs, _cell(own["J"]), _cell(own["F"])])
    return (
        f"{_markdown(means)}\n\nSuccess AUC per sequence; J and F of {result['tracker']}\n\n{_markdown(rows)}"
    )


def _cell(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


def _markdown(rows: list[list[str]]) -> str:
    """Rows of cells, the first being the head, as a Markdown table with even columns."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    rule = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    lines = []
    for row in [rows[0], rule, *rows[1:]]:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
