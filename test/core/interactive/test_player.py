"""The player: play, pause, go back, correct, undo, write."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from squares import BLUE_BOX, RED_BOX, frame
from watched import COUNT, player

from siammaskpp_core.interactive.player import NothingToUndo, Player
from siammaskpp_core.interactive.reader import FrameReader
from siammaskpp_core.io.images import MediaError
from siammaskpp_core.offline.session import Selection
from siammaskpp_core.tracking import BoxError


def to_the_end(watched: Player) -> None:
    while not watched.is_at_end:
        watched.go_to(watched.tracked_to + 1)


def written(watched: Player) -> list[dict[str, float]]:
    """Write, and return for each frame the left edge of each target that is seen."""
    found = []
    assert watched.write([found.append]) == len(found)
    return [{each.id: round(float(each.box_xywh[0])) for each in result.seen} for result in found]


def test_a_recording_without_frames_is_refused() -> None:
    with pytest.raises(MediaError):
        player(0)


def test_targets_are_followed_from_the_frame_in_which_they_are_set() -> None:
    watched = player()
    assert not watched.has_results
    assert watched.select(Selection(box_xywh=RED_BOX, label="cup"), 0) == "cup"
    assert watched.has_results
    watched.go_to(2)  # not yet tracked: one step
    assert watched.shown.number == 1
    watched.go_to(2)
    assert watched.select(Selection(box_xywh=(194.0, 120.0, 40.0, 40.0)), 2) == "target"
    to_the_end(watched)
    assert watched.tracked_to == COUNT - 1
    red = {number: 20 + 4 * number for number in range(COUNT)}
    blue = {number: 200 - 3 * number for number in range(COUNT)}
    for number, places in enumerate(written(watched)):
        assert places["cup"] == pytest.approx(red[number], abs=2)
        assert ("target" in places) == (number >= 2)
        if number >= 2:
            assert places["target"] == pytest.approx(blue[number], abs=2)


def test_masks_come_back_as_they_were() -> None:
    watched = player(2)
    watched.select(Selection(box_xywh=RED_BOX), 0)
    before = watched.shown["target"].mask
    assert before is not None
    assert before.any()
    watched.go_to(1)
    watched.go_to(0)
    assert np.array_equal(watched.shown["target"].mask, before)


def test_a_correction_replaces_what_comes_behind_it() -> None:
    watched = player()
    watched.select(Selection(box_xywh=RED_BOX, id="a"), 0)
    to_the_end(watched)
    watched.go_to(3)
    watched.select(Selection(box_xywh=(191.0, 120.0, 40.0, 40.0), id="a"), 3)  # the blue one was meant
    assert watched.tracked_to == 3
    to_the_end(watched)
    lefts = [places["a"] for places in written(watched)]
    assert lefts == pytest.approx([20, 24, 28, 191, 188, 185], abs=2)
    assert watched.shown["a"].index == 0  # the colour stays


def test_going_back_tracks_again_what_it_tracked_before() -> None:
    """Between two kept memories of the targets the frames are tracked again, with the same results."""
    watched = player()
    watched.select(Selection(box_xywh=RED_BOX, id="a"), 0)
    to_the_end(watched)
    before = written(watched)
    watched.go_to(2)
    watched.select(Selection(box_xywh=(194.0, 120.0, 40.0, 40.0), id="b"), 2)
    to_the_end(watched)
    assert [{"a": places["a"]} for places in written(watched)] == before


def test_what_cannot_be_tracked_changes_nothing() -> None:
    watched = player()
    watched.select(Selection(box_xywh=RED_BOX, id="a"), 0)
    to_the_end(watched)
    before = written(watched)
    watched.go_to(1)
    with pytest.raises(BoxError):
        watched.select(Selection(box_xywh=(900.0, 900.0, 5.0, 5.0), id="b"), 1)
    assert written(watched) == before
    assert watched.shown.number == 1


def test_remove_rename_and_undo() -> None:
    watched = player()
    with pytest.raises(NothingToUndo):
        watched.undo()
    watched.select(Selection(box_xywh=RED_BOX, id="a"), 0)
    watched.select(Selection(box_xywh=BLUE_BOX, id="b"), 0)
    to_the_end(watched)
    before = written(watched)
    assert watched.rename("a", "cup")
    assert not watched.rename("c", "cup")
    assert watched.remove("c") == []
    assert watched.remove("a") == ["a"]
    assert all(set(places) == {"b"} for places in written(watched))
    assert watched.undo() == "cup"
    assert written(watched) == before
    assert watched.shown["a"].label == "cup"
    watched.undo()
    assert watched.shown["a"].label == ""
    assert watched.remove("") == ["a", "b"]
    assert not watched.has_results
    watched.go_to(0)
    watched.undo()
    assert written(watched) == before


def test_a_new_target_has_not_the_label_of_one_that_was_removed() -> None:
    watched = player(1)
    watched.select(Selection(box_xywh=RED_BOX), 0)
    watched.rename("target", "cup")
    watched.remove("target")
    assert watched.select(Selection(box_xywh=BLUE_BOX), 0) == "target"
    assert watched.shown["target"].label == ""


def test_play_and_pause_in_a_thread() -> None:
    watched = player()
    watched.select(Selection(box_xywh=RED_BOX), 0)
    thread = threading.Thread(target=watched.run, daemon=True)
    thread.start()
    watched.play()
    for _ in range(1000):
        if watched.is_at_end and not watched.is_playing:
            break
        threading.Event().wait(0.005)
    assert watched.shown.number == COUNT - 1
    assert not watched.is_playing
    watched.close()
    thread.join(5.0)
    assert not thread.is_alive()


def test_the_reader_reads_again_only_what_it_has_forgotten() -> None:
    opened = []

    def open_from(first):
        opened.append(first)
        return iter([frame(number) for number in (10, 11, 13, 14, 15) if number >= (first or 0)])

    reader = FrameReader(open_from, cache_bytes=2 * frame(0).image.nbytes)
    assert reader.at(4).number == 15
    assert reader.at(5) is None
    assert reader.at(3).number == 14
    assert opened == [None]
    assert reader.at(2).number == 13
    assert reader.at(4).number == 15
    assert reader.at(0).number == 10
    assert opened == [None, 13, 10]
