"""The writers of numbers: a CSV table and a JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from siammaskpp_core.io.outputs import Output
from siammaskpp_core.io.results import Row, TableWriter, place_of
from siammaskpp_core.offline.results import FrameResult, TargetResult
from siammaskpp_core.offline.writers.base import Recording, Writer
from siammaskpp_core.offline.writers.rle import rle_counts


@contextmanager
def csv_table(path: Path, recording: Recording) -> Iterator[Writer]:
    """A table with a row for each target in each frame (:data:`siammaskpp_core.io.results.COLUMNS`)."""
    with Output(path) as work, work.open("w", newline="", encoding="utf-8") as file:
        table = TableWriter(file)

        def write(result: FrameResult) -> None:
            for target in result:
                place = place_of(target.found) if target.is_seen else None
                state, stamp_ns = target.state.name, target.stamp_ns
                table.write(
                    Row(stamp_ns, result.number, target.id, target.label, state, target.confidence, place)
                )

        yield write


@contextmanager
def json_document(path: Path, recording: Recording) -> Iterator[Writer]:
    """One JSON object with the recording and a list of frames, written as they come."""
    with Output(path) as work, work.open("w", encoding="utf-8") as file:
        head = json.dumps({"recording": recording.name, "fps": recording.fps})
        file.write(f'{head[:-1]}, "frames": [')
        separator = "\n"

        def write(result: FrameResult) -> None:
            nonlocal separator
            file.write(separator + json.dumps(_frame_object(result)))
            separator = ",\n"

        yield write
        file.write("\n]}\n")


def _frame_object(result: FrameResult) -> dict[str, Any]:
    height, width = result.image.shape[:2]
    return {
        "frame": result.number,
        "name": result.frame.name,
        "time_s": result.time_s,
        "width": width,
        "height": height,
        "targets": [_target_object(target) for target in result],
    }


def _target_object(target: TargetResult) -> dict[str, Any]:
    """Return a target as JSON; boxes and mask are null while it is not seen."""
    values: dict[str, Any] = {
        "id": target.id,
        "label": target.label,
        "state": target.state.name,
        "confidence": round(target.confidence, 4),
        "box_xywh": None,
        "rotated_box": None,
        "mask": None,
    }
    if not target.is_seen:
        return values
    rotated = target.found.rotated_box
    values["box_xywh"] = [round(float(value), 2) for value in target.found.box_xywh]
    values["rotated_box"] = {
        "center_x": round(float(rotated.center_x), 2),
        "center_y": round(float(rotated.center_y), 2),
        "width": round(float(rotated.width), 2),
        "height": round(float(rotated.height), 2),
        "angle_rad": round(float(rotated.angle_rad), 4),
    }
    mask = target.found.mask
    if mask is not None:
        values["mask"] = {"size": list(mask.shape), "counts": rle_counts(mask)}
    return values
