"""The web selector with a camera and the node with the fake tracker."""

from __future__ import annotations

import http.client
import json
import re
import threading
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from ros_harness import FAKE_NODE, Client, NodeProcess, interrupt_all, jpeg, scene

from siammaskpp_ros.common.processes import installed

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
