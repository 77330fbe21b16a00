"""Results as rows of a table and as messages."""

import csv
import io
from types import SimpleNamespace

import numpy as np
import pytest

from siammaskpp_core.io.results import COLUMNS, Row, TableWriter, fill_tracked_object, place_of
from siammaskpp_core.tracking import RotatedBox, TrackResult


def result(confidence: float = 0.75) -> TrackResult:
    rotated = RotatedBox(44.5, 40.0, 25.0, 20.0, 0.25)
    return TrackResult(np.array([32.0, 30.0, 25.0, 20.0]), rotated, confidence, None)


def empty_message() -> SimpleNamespace:
    box = SimpleNamespace(x=0.0, y=0.0, width=0.0, height=0.0)
    rotated = SimpleNamespace(
        center_x=0.0, center_y=0.0, width=0.0, height=0.0, angle=0.0, corners=np.zeros(8)
    )
    return SimpleNamespace(id="a", label="b", state=0, score=0.0, box=box, rotated_box=rotated, mask_value=0)


def test_rows_have_all_columns_and_no_place_while_the_target_is_not_seen():
    file = io.StringIO(newline="")
    table = TableWriter(file)
    table.write(Row(1_700_000_000_000_000_001, 3, "cup", "mug", "TRACKING", 0.75, place_of(result())))
    table.write(Row(2, 4, "cup", "", "LOST", 0.0, None))
    seen, lost = csv.DictReader(io.StringIO(file.getvalue()))
    assert tuple(seen) == COLUMNS
    assert seen["stamp_s"] == "1700000000.000000001"
    expected = {"frame": 3, "x": 32, "y": 30, "width": 25, "height": 20, "center_x": 44.5, "center_y": 40}
    expected |= {"rotated_width": 25, "rotated_height": 20, "angle_rad": 0.25, "confidence": 0.75}
    assert {name: float(seen[name]) for name in expected} == expected
    assert [name for name in lost if lost[name]] == ["stamp_s", "frame", "id", "state", "confidence"]


def test_a_message_is_filled_in_place():
    item = empty_message()
    box, rotated = item.box, item.rotated_box
    fill_tracked_object(item, result(), state=1, mask_value=2)
    assert (item.id, item.label, item.state, item.score, item.mask_value) == ("a", "b", 1, 0.75, 2)
    assert item.box is box
    assert vars(box) == {"x": 32.0, "y": 30.0, "width": 25.0, "height": 20.0}
    assert item.rotated_box is rotated
    assert (rotated.center_x, rotated.center_y, rotated.width, rotated.height) == (44.5, 40.0, 25.0, 20.0)
    assert rotated.angle == 0.25
    assert rotated.corners.reshape(4, 2).mean(axis=0) == pytest.approx((44.5, 40.0), abs=1e-4)


def test_a_message_about_a_target_that_is_not_seen_has_no_place():
    item = empty_message()
    fill_tracked_object(item, result(float("nan")), state=3, mask_value=0)
    assert (item.state, item.score, item.mask_value) == (3, 0.0, 0)
    assert vars(item.box) == vars(empty_message().box)
    assert not item.rotated_box.corners.any()
