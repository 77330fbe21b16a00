"""Statistics and the table of `siammaskpp bench`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from siammaskpp_core.tracking.tracker import NETWORK_STAGES

DERIVED_COLUMNS = {
    "peak_gflops": "peak GFLOP/s",
    "fraction_of_peak": "fraction of peak",
    "times_faster": "x reference",
    "times_one_target": "x one target",
}


def statistics(stages: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return median and 95th percentile of each stage in ms, and the steps per second at the median.

    `stages` holds the milliseconds of each frame by stage, with the stage `total`. The stage `overhead` is
    added: the total without the network.
    """
    network = np.sum([stages[name] for name in NETWORK_STAGES], axis=0)
    all_stages = {**stages, "overhead": np.asarray(stages["total"]) - network}
    per_stage = {
        stage: {"median_ms": round(float(np.median(ms)), 2), "p95_ms": round(float(np.percentile(ms, 95)), 2)}
        for stage, ms in all_stages.items()
    }
    return {"stages": per_stage, "fps": round(1e3 / float(np.median(stages["total"])), 1)}


def relate(rows: Sequence[dict[str, Any]], reference: str) -> None:
    """Add to each row, in place, what follows from other rows and from the number of operations.

    `fraction_of_peak` is the network's operations per second at the median time, divided by the engine's peak
    rate. `times_faster` compares with the engine `reference` for the same backbone, image size and number of
    targets. `times_one_target` is the time for several targets divided by the time for one.
    """
    totals = {_key(row): row["stages"]["total"]["median_ms"] for row in rows}
    slow = {_task(row): row["stages"]["total"]["median_ms"] for row in rows if row["engine"] == reference}
    for row in rows:
        total = row["stages"]["total"]["median_ms"]
        if "gflop" in row and "peak_gflops" in row:
            seconds = sum(row["stages"][stage]["median_ms"] for stage in row["gflop"]) / 1e3
            row["fraction_of_peak"] = round(sum(row["gflop"].values()) / seconds / row["peak_gflops"], 3)
        reference_total = slow.get(_task(row))
        if reference_total is not None and row["engine"] != reference:
            row["times_faster"] = round(reference_total / total, 2)
        one = totals.get(_key({**row, "targets": 1}))
        if one is not None and row["targets"] > 1:
            row["times_one_target"] = round(total / one, 2)


def _task(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["backbone"], tuple(row["size"]), row["targets"]


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["model"], row["engine"], row["precision"], *_task(row)


def text(result: Mapping[str, Any]) -> str:
    """Return a table with a line for each case: median milliseconds by stage, and what follows from them."""
    rows = [_cells(row) for row in result["steps"]]
    names = list(rows[0])
    table = [names] + [[row[name] for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [f"median of {result['frames']} frames in ms; overhead: total without the network"]
    lines += ["  ".join(map(str.rjust, cells, widths)) for cells in table]
    if not any("gflop" in row for row in result["steps"]):
        lines.append("operations are counted when onnx is installed: pip install 'siammaskpp[quantise]'")
    lines.append(f"peak memory {result['peak_rss_mb']:.0f} MB")
    lines += [f"{key}: {value}" for key, value in result["machine"].items()]
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    cells = {name: row[name] for name in ("model", "engine", "precision")}
    cells["image"] = f"{row['size'][0]}x{row['size'][1]}"
    cells["targets"] = str(row["targets"])
    for stage, times in row["stages"].items():
        cells[stage] = f"{times['median_ms']:.2f}"
    cells["p95"] = f"{row['stages']['total']['p95_ms']:.2f}"
    cells["fps"] = f"{row['fps']:.1f}"
    cells["GFLOP"] = f"{sum(row['gflop'].values()):.1f}" if "gflop" in row else "-"
    for key, name in DERIVED_COLUMNS.items():
        cells[name] = f"{row[key]:.2f}" if key in row else "-"
    return cells
