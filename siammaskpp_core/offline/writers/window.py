"""A window that shows the results while a run is at work."""

from __future__ import annotations

import os
import sys
from types import TracebackType

import cv2

from siammaskpp_core.config import ConfigError
from siammaskpp_core.offline.results import FrameResult
from siammaskpp_core.offline.writers.pictures import draw

END_KEYS = {ord("q"), 27}
"""The keys q and escape end the run."""


def open_window(title: str) -> None:
    """Open a window whose size can be changed; raises :class:`ConfigError` when that is not possible."""
    # Without a display, the Qt in opencv-python would end the process.
    if sys.platform.startswith("linux") and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))):
        raise ConfigError("--window: there is no display: the variable DISPLAY is not set")
    try:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
    except cv2.error as error:
        raise ConfigError(
            "--window: OpenCV can open no window: there is no display, or it is a headless build, which "
            "opencv-python can replace"
        ) from error


class Window:
    """A writer that shows every frame; a context manager. `is_closed` is True after q or escape.

    Raises :class:`ConfigError` when OpenCV cannot open a window.
    """

    def __init__(self, title: str) -> None:
        self.is_closed = False
        self._title = title
        open_window(title)

    def __call__(self, result: FrameResult) -> None:
        """Show one frame."""
        cv2.imshow(self._title, draw(result))
        self.is_closed = cv2.waitKey(1) & 0xFF in END_KEYS

    def __enter__(self) -> Window:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cv2.destroyWindow(self._title)
