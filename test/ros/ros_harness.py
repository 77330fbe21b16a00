"""A node in its own process, a client that talks to it over DDS, and pictures to send."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from ros_time import stamp_at
from sensor_msgs.msg import CompressedImage, Image
from spinning import spin_until
from std_msgs.msg import Header

from siammaskpp.msg import Box, TrackedObjectArray, TrackerStatus
from siammaskpp.srv import RemoveTarget, SetTarget
from siammaskpp_ros.common.conversions import to_image

FAKE_NODE = [sys.executable, str(Path(__file__).with_name("fake_tracker_node.py"))]
RED, GREEN = (0, 0, 255), (0, 255, 0)


def scene(
    x: int = 100, y: int = 50, size: tuple[int, int] = (320, 240), colour: tuple[int, int, int] = RED
) -> NDArray[np.uint8]:
    """Return a dark picture with a 40x30 rectangle whose top left corner is at (x, y)."""
    picture = np.full((size[1], size[0], 3), 20, np.uint8)
    picture[y : y + 30, x : x + 40] = colour
    return picture


BALL_PX = 90


def ball(center: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a 640x480 picture of a striped orange ball of 90 px in front of a grey wall, and its mask."""
    rng = np.random.default_rng(1)
    wall = cv2.GaussianBlur(rng.integers(60, 200, (480, 640, 3), dtype=np.uint8), (0, 0), 9)
    mask = np.zeros((480, 640), np.uint8)
    cv2.circle(mask, center, BALL_PX // 2, 255, -1)
    skin = wall.copy()
    cv2.circle(skin, center, BALL_PX // 2, (30, 120, 240), -1)
    cv2.line(skin, (center[0] - 45, center[1]), (center[0] + 45, center[1]), (20, 20, 60), 7)
    cv2.ellipse(skin, center, (18, 45), 0, 0, 360, (20, 20, 60), 5)
    picture = np.where(mask[:, :, None] > 0, skin, wall)
    return cv2.GaussianBlur(picture, (0, 0), 1.2), mask > 0


def ball_box(center: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the box of the ball: x, y, width, height."""
    return center[0] - BALL_PX / 2, center[1] - BALL_PX / 2, BALL_PX, BALL_PX


_started: defaultdict[int, list[NodeProcess]] = defaultdict(list)


class NodeProcess:
    """A child process in a ROS domain; `text` collects its output."""

    def __init__(
        self, command: list[str], domain_id: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self.text = ""
        self._child = subprocess.Popen(
            command,
            env={**os.environ, "ROS_DOMAIN_ID": str(domain_id), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            close_fds=False,  # it inherits the lock of its domain
        )
        _started[domain_id].append(self)
        self.pid = self._child.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for_text(self, text: str, timeout_s: float = 60.0) -> None:
        end_s = time.monotonic() + timeout_s
        while text not in self.text:
            assert time.monotonic() < end_s, f"{text!r} was not printed; this was:\n{self.text}"
            assert self._child.poll() is None or text in self.text, f"the process ended:\n{self.text}"
            time.sleep(0.02)

    def cpu_s(self) -> float:
        """Return the CPU time that the process has used."""
        values = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()
        return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Return the present resident memory in 10^6 bytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def is_running(self) -> bool:
        return self._child.poll() is None

    def interrupt(self) -> None:
        self._child.send_signal(signal.SIGINT)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Wait for the end of the process; return its exit code. The output is complete then."""
        code = self._child.wait(timeout_s)
        self._reader.join(5.0)
        return code

    def end(self) -> None:
        if self.is_running():
            self._child.kill()
            self._child.wait(10.0)

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.text += line


def end_processes_of(domain_id: int) -> None:
    """End the processes of a domain that run on, because a fixture failed before it could end them."""
    for process in _started.pop(domain_id, []):
        process.end()


def interrupt_all(processes: Sequence[NodeProcess], timeout_s: float = 60.0) -> None:
    """Send Ctrl-C to all processes; each must end with exit code 0 and without a traceback."""
    for process in processes:
        process.interrupt()
    try:
        codes = [process.wait(timeout_s) for process in processes]
    finally:
        for process in processes:
            process.end()
    text = "\n".join(process.text for process in processes)
    assert codes == [0] * len(codes), f"{codes}\n{text}"
    assert "Traceback" not in text, text


def send_until_it_ends(process: NodeProcess, first: int, others: int, timeout_s: float = 20.0) -> None:
    """Send one signal, and another one every 20 ms until the process ends, which must be a clean end."""
    end_s = time.monotonic() + timeout_s
    os.kill(process.pid, first)
    while process.is_running():
        assert time.monotonic() < end_s, f"it does not end:\n{process.text}"
        os.kill(process.pid, others)
        time.sleep(0.02)
    assert process.wait() == 0, f"{process.wait()}\n{process.text}"
    assert "Traceback" not in process.text, process.text


def opened(pid: int) -> tuple[int, int]:
    """Return the numbers of threads and of open files of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir())), len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Client:
    """Publishes images, calls the node's services, and collects the messages of the node."""

    def __init__(self, domain_id: int, namespace: str = "", is_compressed: bool = False) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = rclpy.create_node("test_client", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        kind, topic = (CompressedImage, "image/compressed") if is_compressed else (Image, "image")
        self._images = self.node.create_publisher(kind, topic, 1)
        self.objects: list[TrackedObjectArray] = []
        self.masks: list[Image] = []
        self.statuses: list[TrackerStatus] = []
        self._keep(TrackedObjectArray, "tracked_objects", self.objects)
        self._keep(Image, "mask", self.masks)
        self._keep(TrackerStatus, "status", self.statuses)
        self._next_stamp_s = 1000.0

    def keep(self, topic: str) -> list[Image]:
        """Subscribe to another picture topic of the node; return the list that collects its messages."""
        pictures: list[Image] = []
        self._keep(Image, topic, pictures)
        return pictures

    def spin(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left_s, 0.02))

    def until(self, is_true: Callable[[], object], what: str, timeout_s: float = 60.0) -> None:
        spin_until(self._executor, is_true, what, timeout_s)

    def connect(self) -> None:
        """Wait until camera and services are matched with the node."""
        self.until(self._images.get_subscription_count, "the node subscribes to the images")
        self.until(lambda: self.statuses, "status arrives")
        self.until(
            lambda: self.node.count_publishers(self._topic("tracked_objects")), "results are advertised"
        )

    def skip(self, seconds: float) -> None:
        """Let the stamp of the next image be this much later."""
        self._next_stamp_s += seconds

    def header(self) -> Header:
        """Return the header of the next image; stamps are 0.1 s apart."""
        self._next_stamp_s += 0.1
        return Header(stamp=stamp_at(self._next_stamp_s), frame_id="camera_optical_frame")

    def send(self, picture: NDArray[np.uint8] | Image | CompressedImage, stamp: Time | None = None) -> Header:
        """Publish one image, without waiting for a result."""
        message = to_image(picture, "bgr8", Header()) if isinstance(picture, np.ndarray) else picture
        message.header = self.header()
        if stamp is not None:
            message.header.stamp = stamp
        self._images.publish(message)
        return message.header

    def track(self, picture: NDArray[np.uint8] | Image | CompressedImage) -> TrackedObjectArray:
        """Publish one image and return its result; the image is sent again if it was lost.

        On a busy machine the result of an image may come after it has been sent again.
        """
        sent = []
        for _ in range(30):
            sent.append(self.send(picture))
            end_s = time.monotonic() + 1.0
            while time.monotonic() < end_s:
                self.spin(0.02)
                if self.objects and self.objects[-1].header in sent:
                    return self.objects[-1]
        raise AssertionError("no result for an image that was sent thirty times")

    def track_many(self, picture: NDArray[np.uint8], count: int) -> None:
        """Publish one picture `count` times, each time after the last result; the results are discarded."""
        for _ in range(count):
            self.objects.clear()
            self.masks.clear()
            while not self.objects:
                self.send(picture)
                end_s = time.monotonic() + 0.5
                while not self.objects and time.monotonic() < end_s:
                    self._executor.spin_once(timeout_sec=0.02)

    def set_target(self, box: tuple[float, ...], id: str = "", stamp: Time | None = None, label: str = ""):
        request = SetTarget.Request(id=id, label=label)
        request.header.stamp = stamp or Time()
        request.box = Box(x=float(box[0]), y=float(box[1]), width=float(box[2]), height=float(box[3]))
        return self.call(SetTarget, "tracker_node/set_target", request)

    def remove_target(self, id: str = ""):
        return self.call(RemoveTarget, "tracker_node/remove_target", RemoveTarget.Request(id=id))

    def set_parameters(self, **values: object):
        request = SetParametersAtomically.Request()
        request.parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        return self.call(SetParametersAtomically, "tracker_node/set_parameters_atomically", request).result

    def call(self, kind, name: str, request):
        """Call a service; the request is sent again because the middleware sometimes loses a reply."""
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, f"service {name} is there")
        for _ in range(4):
            future = client.call_async(request)
            self._executor.spin_until_future_complete(future, timeout_sec=10.0)
            if future.done():
                self.node.destroy_client(client)
                return future.result()
        raise AssertionError(f"{name} does not answer")

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _topic(self, name: str) -> str:
        return f"{self.node.get_namespace().rstrip('/')}/tracker_node/{name}"

    def _keep(self, kind, topic: str, into: list) -> None:
        self.node.create_subscription(kind, f"tracker_node/{topic}", into.append, 10)


def decoded(message: Image) -> NDArray[np.uint8]:
    """Return the picture of a mono8 or bgr8 message, decoded independently of the package."""
    channels = message.step // message.width
    picture = np.frombuffer(bytes(message.data), np.uint8).reshape(message.height, message.width, channels)
    return picture[:, :, 0] if channels == 1 else picture


def jpeg(picture: NDArray[np.uint8]) -> CompressedImage:
    return CompressedImage(format="jpeg", data=cv2.imencode(".jpg", picture)[1].tobytes())
