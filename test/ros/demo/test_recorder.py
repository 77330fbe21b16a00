"""The table of the demo has the columns and values of `siammaskpp track`."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from siammaskpp.msg import TrackedObject, TrackedObjectArray
from siammaskpp_core.io.results import COLUMNS, fill_tracked_object
from siammaskpp_core.tracking import RotatedBox, State, TrackResult
from siammaskpp_ros.demo.recorder import Recording


def message(second: int, state: State, mask_value: int) -> TrackedObjectArray:
    item = TrackedObject(id="cup")
    rotated = RotatedBox(44.5, 40.0, 25.0, 20.0, 0.25)
    result = TrackResult(np.array([32.0, 30.0, 25.0, 20.0]), rotated, 0.75, None)
    fill_tracked_object(item, result, int(state), mask_value)
    stamp = Time(sec=second, nanosec=23_456_789)
    return TrackedObjectArray(header=Header(stamp=stamp), objects=[item])


def test_a_row_for_each_target_in_each_image(tmp_path: Path) -> None:
    recording = Recording()
    recording.add_objects(message(1_700_000_000, State.TRACKING, 1))
    recording.add_objects(message(1_700_000_001, State.LOST, 0))
    assert recording.states() == ["TRACKING", "LOST"]
    recording.save(tmp_path / "output")
    with (tmp_path / "output" / "tracks.csv").open(encoding="utf-8") as file:
        seen, lost = csv.DictReader(file)
    assert tuple(seen) == COLUMNS
    assert (seen["stamp_s"], seen["frame"], seen["id"]) == ("1700000000.023456789", "0", "cup")
    assert float(seen["rotated_width"]) == 25
    assert float(seen["angle_rad"]) == pytest.approx(0.25)
    assert (lost["frame"], lost["state"], lost["x"]) == ("1", "LOST", "")
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["tracks.csv"]
