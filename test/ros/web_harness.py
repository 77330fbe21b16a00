"""The web selector with a camera and the node with the fake tracker, and a browser that shows the page."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from ros_harness import FAKE_NODE, Client, NodeProcess, interrupt_all, jpeg, scene

from siammaskpp_ros.common.processes import installed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

_BROWSER = Path(sys.prefix) / "browser"  # installed by fetch_browser.sh

ASKED: dict[str, Any] = {
    "header": {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""},
    "box": [100, 50, 40, 30],
    "id": "a",
    "label": "",
}
"""The request for a target, as the page sends it."""


class Camera:
    """Publishes `picture` ten times a second until it is stopped."""

    def __init__(self, client: Client, is_compressed: bool) -> None:
        self.picture = scene()
        self._client = client
        self._is_compressed = is_compressed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            self._client.send(jpeg(self.picture) if self._is_compressed else self.picture)


class Robot:
    """All processes of one test; at its end they must end cleanly."""

    def __init__(self, domain_id: int) -> None:
        self._domain_id = domain_id
        self.processes: list[NodeProcess] = []
        self.client: Client  # start_tracker makes client and camera
        self.camera: Camera
        self._closing = ExitStack()

    def __enter__(self) -> Robot:
        return self

    def start_tracker(self, namespace: str = "", is_compressed: bool = False) -> NodeProcess:
        ros = ["--ros-args", "-r", f"__ns:={namespace or '/'}", "-p", f"compressed:={is_compressed}"]
        self.processes.append(NodeProcess([*FAKE_NODE, "0.0", *ros], self._domain_id))
        self.client = Client(self._domain_id, namespace, is_compressed)
        self._closing.callback(self.client.close)
        self.client.connect()
        self.start_camera(is_compressed)
        return self.processes[-1]

    def start_camera(self, is_compressed: bool = False) -> None:
        self.camera = Camera(self.client, is_compressed)
        self._closing.callback(self.camera.stop)

    def start_page(self, *arguments: str) -> str:
        """Start the web selector; return the address that it prints."""
        command = [*installed("web_selector"), "--ros-args", "-p", "port:=0", *arguments]
        self.processes.append(NodeProcess(command, self._domain_id))
        self.processes[-1].wait_for_text("/\n" if "address" not in " ".join(arguments) else "token=")
        (address,) = re.findall(r"open (http://\S+)", self.processes[-1].text)
        return address

    def places_become(self, *places: tuple[str, float]) -> None:
        """Wait until the newest result has these targets, given as id and left edge of the box."""

        def is_so() -> bool:
            newest = self.client.objects[-1].objects if self.client.objects else None
            return newest is not None and [(item.id, item.box.x) for item in newest] == list(places)

        self.client.until(is_so, f"the results are {places}")

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        interrupt_all(self.processes, timeout_s=10.0)


class Http:
    """Sends requests as a browser does, with any headers."""

    def __init__(self, address: str) -> None:
        self.host = urlsplit(address).netloc
        self.own = {"Origin": f"http://{self.host}"}

    def request(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, str, http.client.HTTPMessage]:
        """Send a request with a body in JSON; return status, text and headers of the response."""
        sent = None if body is None else json.dumps(body).encode()
        return self.send(method, path, sent, **headers)

    def send(
        self, method: str, path: str, body: bytes | None, **headers: str
    ) -> tuple[int, str, http.client.HTTPMessage]:
        """Send a request with any body; return status, text and headers of the response."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text, answer.headers


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
