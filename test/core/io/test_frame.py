"""Frames of a recording, and the part of it that is used."""

from pathlib import Path

import numpy as np
import pytest

from siammaskpp_core.io.frame import FIRST, Frame, Moment, cut, number_name, picture_names

ORIGIN_NS = 1_700_000_000_000_000_000


def frames(count: int = 6) -> list[Frame]:
    """Frames of a bag, 0.1 s apart."""
    image = np.zeros((48, 64, 3), np.uint8)
    return [
        Frame(number, ORIGIN_NS + number * 10**8, image, number_name(number), origin_ns=ORIGIN_NS)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (FIRST, None, [0, 1, 2, 3, 4, 5]),
        (Moment(frame=2), Moment(frame=4), [2, 3, 4]),
        (Moment(time_ns=150_000_000), Moment(time_ns=400_000_000), [2, 3, 4]),
        (Moment(frame=5), Moment(time_ns=100_000_000), []),
        (Moment(frame=9), None, []),
    ],
)
def test_a_part_has_both_its_ends(start, end, expected):
    assert [frame.number for frame in cut(frames(), start, end)] == expected


def test_nothing_is_read_behind_the_end():
    source = iter(frames())
    list(cut(source, end=Moment(frame=2)))
    assert next(source).number == 4


def test_times_count_from_the_first_frame_and_stamps_do_not():
    frame = frames()[3]
    assert (frame.elapsed_ns, frame.time_s) == (300_000_000, ORIGIN_NS / 1e9 + 0.3)
    assert repr(frame) == "Frame(3, 1700000000.300 s, 64x48, '000003')"
    assert [str(moment) for moment in (Moment(frame=3), Moment(time_ns=1_500_000_000))] == [
        "frame 3",
        "1.5 s",
    ]


def test_frames_have_the_names_of_their_pictures_unless_two_are_equal():
    assert picture_names([Path("a/1.png"), Path("a/2.jpg")]) == ["1", "2"]
    assert picture_names([Path("a/1.png"), Path("a/1.jpg")]) == ["1_png", "1_jpg"]
    assert picture_names([]) == []
