"""A headless browser for the tests of the web page, and what it shows."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

_BROWSER = Path(sys.prefix) / "browser"  # installed by fetch_browser.sh


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a headless browser; skip the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")
    environment = dict(os.environ)
    program: str | None = str(_BROWSER / "usr/lib/chromium/chromium-headless-shell")
    if Path(str(program)).is_file():
        libraries = [str(path.parent) for path in _BROWSER.rglob("*.so*")]
        environment["LD_LIBRARY_PATH"] = ":".join(dict.fromkeys(libraries))
    else:
        names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
        program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium here: make browser")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, env=environment)
        yield browser
        browser.close()


def seen(element: Locator) -> NDArray[np.uint8]:
    """Return a screenshot of an element [H, W, 3] BGR, with one pixel for each CSS pixel."""
    picture = cv2.imdecode(np.frombuffer(element.screenshot(scale="css"), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture, np.uint8)


def red_box(element: Locator) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the red area in an element, in pixels of the page."""
    edge = element.bounding_box()
    assert edge is not None
    blue, green, red = (channel.astype(int) for channel in cv2.split(seen(element)))
    rows, columns = np.nonzero((red > 150) & (green < 100) & (blue < 100))
    assert rows.size, f"nothing red is on the screen: {element.page.inner_text('body')}"
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    x, y = edge["x"], edge["y"]
    return x + float(left), y + float(top), x + float(right), y + float(bottom)
