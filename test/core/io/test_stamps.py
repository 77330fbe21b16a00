"""Stamps: exact to the nanosecond, and one rule for time that jumps back."""

from types import SimpleNamespace

from siammaskpp_core.io.stamps import has_jumped_back, seconds_text, stamp_ns


def test_stamps_and_their_text_lose_no_digit():
    time_ns = stamp_ns(SimpleNamespace(sec=1_700_000_000, nanosec=23_456_789))
    assert time_ns == 1_700_000_000_023_456_789
    assert seconds_text(time_ns) == "1700000000.023456789"


def test_time_jumps_back_only_to_before_the_last_image():
    assert not has_jumped_back(None, 5)
    assert not has_jumped_back(5, 5)
    assert not has_jumped_back(5, 6)
    assert has_jumped_back(5, 4)
