"""A run by hand: what is written at its end."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import pytest
from squares import RED_BOX, picture, tracker

from siammaskpp_core.interactive.run import Watched, track_watched
from siammaskpp_core.io.video import Frames
from siammaskpp_core.offline.session import Selection, SelectionError
from siammaskpp_core.offline.writers.formats import OutputPlan


def camera() -> Frames:
    return Frames("camera 0", (320, 240), 25.0, None, True, map(picture, itertools.repeat(0)))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "tracks.csv"


def test_a_camera_is_written_from_the_first_target_on(table: Path) -> None:
    def view(watched: Watched) -> None:
        watched.player.select(Selection(box_xywh=RED_BOX, label="cup"), watched.player.shown.number)
        while not watched.player.has_results:
            pass
        assert watched.save().endswith(f" frames in {table}")

    outcome = track_watched(camera(), "0", tracker(), [OutputPlan("csv", table)], view)
    assert outcome.exit_code == 0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert outcome.text == f"{len(rows)} frames in {table}"
    assert {row["label"] for row in rows} == {"cup"}


def test_a_camera_without_a_target_leaves_nothing(table: Path) -> None:
    def view(watched: Watched) -> None:
        with pytest.raises(SelectionError):
            watched.save()

    outcome = track_watched(camera(), "0", tracker(), [OutputPlan("csv", table)], view)
    assert "nothing was tracked" in outcome.text
    assert list(table.parent.iterdir()) == []
