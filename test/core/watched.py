"""A player of frames with coloured squares."""

from __future__ import annotations

from squares import frame, tracker

from siammaskpp_core.interactive.player import Player
from siammaskpp_core.interactive.reader import FrameReader

COUNT = 6


def player(count: int = COUNT) -> Player:
    return Player(tracker(), FrameReader(lambda: iter([frame(number) for number in range(count)])), 25.0)
