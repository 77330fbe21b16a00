"""Targets that are set, corrected and removed at any frame."""

import numpy as np
import pytest
from squares import BLUE, BLUE_BOX, RED_BOX, frame, tracker

from siammaskpp_core.io.frame import Moment
from siammaskpp_core.offline.run import Run, states_text
from siammaskpp_core.offline.session import Selection, SelectionError, Session, with_ids
from siammaskpp_core.tracking import BoxError, State

RED, CUP = Selection(RED_BOX, label="red"), Selection(BLUE_BOX, id="cup", label="mug")


def test_two_targets_are_followed_in_one_run():
    session = Session(tracker())
    first = session.track(frame(0), [RED, CUP])
    assert [(each.id, each.label, each.index) for each in first] == [("red", "red", 0), ("cup", "mug", 1)]
    last = [session.track(frame(number)) for number in range(1, 6)][-1]
    assert last["red"].box_xywh == pytest.approx((40, 30, 40, 40), abs=4)
    assert last["cup"].box_xyxy == pytest.approx((185, 120, 225, 160), abs=4)
    assert (last["red"].frame, last["red"].time_s, last.number) == (5, 0.2, 5)
    assert [each.state for each in last] == [State.TRACKING] * 2
    with pytest.raises(KeyError):
        last["pen"]


def test_a_target_that_is_not_seen_has_no_place():
    session = Session(tracker())
    session.track(frame(0), [RED, CUP])
    for number in range(1, 40):
        result = session.track(frame(number % 10, without=BLUE))
    lost = result["cup"]
    assert (lost.state, lost.is_seen) == (State.LOST, False)
    assert (lost.box_xywh, lost.box_xyxy, lost.rotated_box, lost.mask) == (None,) * 4
    assert "cup LOST" in states_text(result)
    assert repr(lost).endswith("not seen)")


def test_a_correction_keeps_number_and_label_and_a_removal_frees_neither():
    session = Session(tracker())
    session.track(frame(0), [RED, CUP])
    corrected = session.track(frame(1), [Selection(BLUE_BOX, id="red")])["red"]
    assert (corrected.index, corrected.label) == (0, "red")
    assert corrected.box_xywh == pytest.approx((197, 120, 40, 40), abs=4)
    assert session.track(frame(2), [Selection(id="red")]).targets[0].id == "cup"
    again = session.track(frame(3), [Selection(RED_BOX), Selection((32, 30, 40, 40), id="red")])
    assert {each.id: each.index for each in again} == {"cup": 1, "target": 2, "red": 0}


def test_a_selection_that_is_refused_changes_nothing():
    session = Session(tracker())
    session.track(frame(0), [RED])
    for wrong, error in (
        (Selection((999, 0, 9, 9)), BoxError),
        (Selection(id="pen"), SelectionError),
        (Selection(point_xy=(-1, 5)), BoxError),
    ):
        with pytest.raises(error):
            session.track(frame(1), [Selection(id="red"), wrong])
        assert session.ids == ["red"]
    assert session.track(frame(1))["red"].box_xywh == pytest.approx((24, 30, 40, 40), abs=4)


def test_a_picture_that_stands_still_takes_selections():
    session = Session(tracker())
    still = frame(0)
    session.track(still, [RED])
    added = session.select(still, Selection(BLUE_BOX, label="cup"))
    assert (added.id, added.index) == ("cup", 1)
    assert added.box_xywh == pytest.approx(BLUE_BOX, abs=4)
    assert session.select(still, Selection(id="red")) is None
    assert session.ids == ["cup"]
    with pytest.raises(SelectionError, match="there is no target 'red'; the targets are: cup"):
        session.remove("red")


def test_masks_share_no_pixel_on_the_frame_of_a_selection():
    session = Session(tracker())
    same = [Selection(RED_BOX), Selection(RED_BOX)]
    one, other = (each.found.mask for each in session.track(frame(0), same))
    assert one.any()
    assert not np.logical_and(one, other).any()


def test_ids_come_from_labels_and_are_unique():
    named = with_ids([RED, RED, Selection(RED_BOX), Selection(RED_BOX), CUP], taken=["red_2"])
    assert [selection.id for selection in named] == ["red", "red_3", "target", "target_2", "cup"]


def test_a_run_selects_at_the_moments_that_were_given():
    written = []
    selections = [
        RED,
        Selection(BLUE_BOX, label="cup", at=Moment(time_ns=70_000_000)),
        Selection(id="red", at=Moment(frame=4)),
        Selection(id="cup", at=Moment(frame=99)),
    ]
    run = Run(Session(tracker()), selections, [written.append])
    for number in range(6):
        run.take(frame(number))
    ids = [[each.id for each in result] for result in written]
    assert ids == [["red"], ["red"], ["red", "cup"], ["red", "cup"], ["cup"], ["cup"]]
    assert run.count == 6
    assert run.unused == ["the selection of cup at frame 99: no such frame was tracked"]


def test_a_selection_before_the_first_frame_is_refused():
    run = Run(Session(tracker()), [Selection(RED_BOX, label="red", at=Moment(frame=2))])
    with pytest.raises(SelectionError, match="red is selected at frame 2, but the first frame"):
        run.take(frame(3))
