"""Stamps: exact to the nanosecond, and one rule for time that jumps back."""

from types import SimpleNamespace

from siammaskpp_core.io.stamps import StampOrder, has_jumped_back, seconds_text, stamp_ns


def test_stamps_and_their_text_lose_no_digit():
    time_ns = stamp_ns(SimpleNamespace(sec=1_700_000_000, nanosec=23_456_789))
    assert time_ns == 1_700_000_000_023_456_789
    assert seconds_text(time_ns) == "1700000000.023456789"


def test_time_jumps_back_only_to_before_the_last_image():
    assert not has_jumped_back(None, 5)
    assert not has_jumped_back(5, 5)
    assert not has_jumped_back(5, 6)
    assert has_jumped_back(5, 4)


def orders(*stamps_ms: int) -> str:
    order = StampOrder()
    return "".join(order.check(stamp_ms * 1_000_000).name[0] for stamp_ms in stamps_ms)


def test_images_out_of_order_are_late_and_do_not_change_what_is_newest():
    assert orders(2000, 2066, 2033, 2133, 2100, 2133, 2166) == "NNLNLNN"
    assert orders(2000, 1000) == "NL"


def test_a_recording_that_starts_again_is_a_restart_however_short_it_is():
    assert orders(5000, 0, 33) == "NRN"
    assert orders(2000, 999, 1032) == "NRN"
    short = (0, 100, 200, 300, 400, 500, 600, 700)
    assert orders(*short, *short) == "NNNNNNNN" + "LLLLLRNN"


def test_two_sources_do_not_make_a_restart_with_every_image():
    """A camera beside a bag: after the third return to the newer time, the older images are left out."""
    first, second = range(900_000, 900_330, 33), range(10, 340, 33)
    both = [stamp for pair in zip(first, second, strict=True) for stamp in pair]
    assert orders(*both[:20]) == "NRNRNR" + "NL" * 7
    # When only the older ones come, they are followed after five, and the next restart is one at once.
    assert orders(*both[:20], *range(5_000, 5_330, 33), 33) == "NRNRNR" + "NL" * 7 + "LLLLRNNNNN" + "R"
    # Recordings that start again, and clocks that are set back and forth now and then, are restarts.
    loop = (*range(90_000, 90_600, 33), *range(60_000, 60_600, 33))
    assert orders(*loop * 5).count("R") == 5


def test_a_clock_that_was_set_back_a_little_is_a_restart_after_five_images():
    assert orders(9000, *range(8500, 8500 + 8 * 33, 33)) == "NLLLLLRNN"
