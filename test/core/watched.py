"""A player of frames with coloured squares."""

from __future__ import annotations

from squares import frame, tracker

from siammaskpp_core.interactive.player import Player
from siammaskpp_core.interactive.reader import FrameReader

COUNT = 6


def player(count: int = COUNT) -> Player:
    return Player(tracker(), FrameReader(lambda first: map(frame, range(first or 0, count))), 25.0)
