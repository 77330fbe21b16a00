"""Node: a client of the tracker that selects a target in the first image and records the results."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from siammaskpp.msg import Box, TrackedObjectArray, TrackerStatus
from siammaskpp.srv import SetTarget
from siammaskpp_core.config import Checked, ConfigError, option
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.stamps import stamp_ns
from siammaskpp_ros.common.conversions import to_bgr
from siammaskpp_ros.common.node_main import ask, run_node, wait_until
from siammaskpp_ros.common.parameters import declare
from siammaskpp_ros.demo.recorder import Recording

_MIN_KEPT_FRACTION = 0.9


class DemoFailed(UserError):
    """The target was not tracked, or not to the end; the message says what happened."""


@dataclass(frozen=True)
class ClientConfig(Checked):
    """Parameters of the demo client."""

    box: tuple[float, ...] = option(
        (0.0, 0.0, 0.0, 0.0), "Box of the target in the first image: x, y, width, height", unit="px"
    )
    tracker: str = option("tracker_node", "Name of the tracker node")
    output: str = option("demo_output", "Folder for the recording")
    first_image_timeout_s: float = option(
        30.0, "End with an error when no image arrives within this time", low=1.0, high=3600.0, unit="s"
    )
    end_after_s: float = option(2.0, "End when no image arrives for this long", low=0.5, high=60.0, unit="s")


class DemoClient(Node):
    """Calls set_target for the first image it receives and records what the tracker publishes."""

    def __init__(self) -> None:
        super().__init__("demo_client")
        self.config = declare(self, ClientConfig)
        if len(self.config.box) != 4:
            raise ConfigError(
                f"box: four numbers are expected (x, y, width, height), not {len(self.config.box)}"
            )
        self.recording = Recording()
        self.status: TrackerStatus | None = None
        self._first: Header | None = None
        self._last_image_s = time.monotonic()
        tracker = self.config.tracker
        self._set_target = self.create_client(SetTarget, f"{tracker}/set_target")
        # Reliable: no image may be lost, for the box was drawn on the very first one.
        self.create_subscription(Image, "image", self._on_image, QoSProfile(depth=5))
        self.create_subscription(Image, f"{tracker}/overlay", self._on_overlay, QoSProfile(depth=10))
        self.create_subscription(
            TrackedObjectArray, f"{tracker}/tracked_objects", self.recording.add_objects, QoSProfile(depth=10)
        )
        self.create_subscription(TrackerStatus, f"{tracker}/status", self._on_status, 10)

    def run(self, executor: Executor) -> None:
        """Select the target and record until no more images arrive; raises :class:`DemoFailed`."""
        timeout_s = self.config.first_image_timeout_s
        if not wait_until(executor, lambda: self._first is not None, timeout_s):
            raise DemoFailed(f"no image on {self.resolve_topic_name('image')} within {timeout_s:g} s")
        assert self._first is not None
        self._select(executor, self._first)
        wait_until(
            executor,
            lambda: time.monotonic() - self._last_image_s > self.config.end_after_s,
            float("inf"),
        )

    def _select(self, executor: Executor, header: Header) -> None:
        x, y, width, height = self.config.box
        request = SetTarget.Request(header=header, box=Box(x=x, y=y, width=width, height=height))
        response = ask(executor, self._set_target, request)
        if not response.success:
            raise DemoFailed(f"set_target was refused: {response.message}")
        self.get_logger().info(response.message)

    def _on_image(self, message: Image) -> None:
        self._last_image_s = time.monotonic()
        self._first = self._first or message.header

    def _on_overlay(self, message: Image) -> None:
        self.recording.add_overlay(stamp_ns(message.header.stamp), to_bgr(message))

    def _on_status(self, message: TrackerStatus) -> None:
        # NaN: nothing was measured since the message before. Keep the last measurement.
        if self.status is None or not math.isnan(message.fps):
            self.status = message


def summary(client: DemoClient) -> str:
    """Return counts, rate and latency as the tracker reported them.

    Raises :class:`DemoFailed` when the target was LOST in the last result or in more than a tenth of all.
    """
    status, states = client.status, client.recording.states()
    if status is None:
        raise DemoFailed("the tracker published no status")
    kept = sum(state != "LOST" for state in states)
    text = (
        f"frames received  {status.frames_received}\n"
        f"frames tracked   {status.frames_tracked}\n"
        f"frames dropped   {status.frames_dropped}\n"
        f"frames failed    {status.frames_failed}\n"
        f"FPS              {status.fps:.1f}\n"
        f"latency median   {status.latency_median_ms:.1f} ms\n"
        f"latency p95      {status.latency_p95_ms:.1f} ms\n"
        f"target not LOST  {kept} of {len(states)} results"
    )
    if not states or kept < _MIN_KEPT_FRACTION * len(states) or states[-1] == "LOST":
        last = states[-1] if states else "never seen"
        cause = ""
        if status.frames_tracked < status.frames_received / 2:
            cause = (
                "; this machine is too slow or too busy for the video's rate: end what else uses the "
                "processor, or play the video more slowly: make demo RATE=5"
            )
        raise DemoFailed(f"the target was not tracked to the end (last state: {last}){cause}\n{text}")
    return text


def main(args: list[str] | None = None) -> int:
    """Run once; return 0 when the target was tracked to the end, else 1."""
    return run_node("demo_client", DemoClient, _work, args=args)


def _work(client: DemoClient, executor: Executor, _stop: Event) -> None:
    folder = Path(client.config.output)
    try:
        client.run(executor)
    finally:
        client.recording.save(folder)
    print(summary(client), flush=True)
    print(f"recorded in {folder}: overlay.mp4, contact_sheet.png, tracks.csv", flush=True)
