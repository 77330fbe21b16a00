"""The ROS side of the web page: images of the camera, and topics and services of the tracker."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Any

from rclpy.client import Client
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from rclpy.task import Future
from sensor_msgs.msg import Image

from siammaskpp.msg import TrackedObjectArray, TrackerStatus
from siammaskpp.srv import RemoveTarget, RenameTarget, SetTarget
from siammaskpp_core.config import Checked, option
from siammaskpp_core.web.source import Answer, Command, Unavailable
from siammaskpp_ros.common.image_input import ImageInput
from siammaskpp_ros.common.parameters import declare
from siammaskpp_ros.common.steady_clock import STEADY_CLOCK
from siammaskpp_ros.web.feed import FeedImage, LiveFeed, encode
from siammaskpp_ros.web.requests import remove_request, rename_request, set_request

_ANSWER_TIMEOUT_S = 10.0  # a tap takes as long as a dozen images
_DISCOVERY_TIMEOUT_S = 2.0
_STATUS_TIMEOUT_S = 3.0  # the tracker publishes its status once a second
_CAMERA_TIMEOUT_S = 2.0
_SUBSCRIPTION_PERIOD_S = 0.2
_TRACKER_STATES = {
    getattr(TrackerStatus, name): name
    for name in ("INACTIVE", "WAITING", "IDLE", "TRACKING", "LOST", "ERROR")
}


@dataclass(frozen=True)
class WebConfig(Checked):
    """Parameters of the web selector."""

    address: str = option(
        "127.0.0.1", "Address to listen on; 0.0.0.0: all addresses of this machine, with a token"
    )
    port: int = option(8088, "Port to listen on; 0: any free port", low=0, high=65535)
    token: str = option(
        "",
        "Secret that opens the page, 8 characters or more; empty: no token for a loopback address, else a "
        "new one",
    )
    tracker: str = option(
        "tracker_node", "Name of the tracker node, with its namespace when that is a different one"
    )
    compressed: bool = option(False, "Subscribe to sensor_msgs/CompressedImage on image/compressed")
    max_fps: float = option(15.0, "Maximum frame rate of each page", low=0.5, high=60.0, unit="Hz")
    max_side_px: int = option(
        960,
        "Maximum length of the longer side of a picture; larger images are scaled down, boxes stay in pixels "
        "of the camera image",
        low=160,
        high=4096,
        unit="px",
    )


class WebSelector(Node):
    """The source of the page (:class:`~siammaskpp_core.web.source.Source`): camera and tracker over ROS.

    It subscribes to the images only while a page is open (`viewers`).
    """

    def __init__(self) -> None:
        super().__init__("web_selector")
        self.config = declare(self, WebConfig)
        self.feed = LiveFeed()
        self.viewers = 0
        """Number of open pages, kept by the web server."""
        self.max_fps = self.config.max_fps
        self.commands = {
            "set_target": Command(set_request, self._set_target),
            "remove_target": Command(remove_request, self._remove_target),
            "rename": Command(rename_request, self._rename),
        }
        self._camera: ImageInput | None = None
        self._camera_hint = ""
        self._result_subscriptions: list[Subscription] = []
        self._status: TrackerStatus | None = None
        self._status_s = time.monotonic()
        tracker = self.config.tracker
        self._set = self.create_client(SetTarget, f"{tracker}/set_target")
        self._remove = self.create_client(RemoveTarget, f"{tracker}/remove_target")
        self._rename_target = self.create_client(RenameTarget, f"{tracker}/rename_target")
        self.create_subscription(TrackerStatus, f"{tracker}/status", self._on_status, 1)
        self.create_timer(_SUBSCRIPTION_PERIOD_S, self._update_subscriptions, clock=STEADY_CLOCK)

    def newest(self) -> FeedImage | None:
        """Return the image to show, with its results; see :meth:`LiveFeed.newest`."""
        return self.feed.newest()

    def encode(self, picture: FeedImage) -> bytes:
        """Return the message with an image for the page; see :func:`~siammaskpp_ros.web.feed.encode`."""
        return encode(picture, self.config.max_side_px)

    def status(self) -> dict[str, Any]:
        """Return the state of tracker and camera for the page; numbers that are not known yet are None."""
        status = self._status
        has_no_images = self.feed.time_since_image_s() > _CAMERA_TIMEOUT_S
        result: dict[str, Any] = {
            "tracker": self._tracker_name(),
            "camera": self._camera_hint if has_no_images else "",
        }
        if time.monotonic() - self._status_s > _STATUS_TIMEOUT_S:
            return {**result, "state": "ABSENT", "message": self._absence()}
        if status is None:
            return {**result, "state": "CONNECTING", "message": ""}
        return {
            **result,
            "state": _TRACKER_STATES.get(status.state, "ERROR"),
            "message": status.message,
            "targets": status.targets,
            "fps": _finite(status.fps),
            "latency_median_ms": _finite(status.latency_median_ms),
            "latency_p95_ms": _finite(status.latency_p95_ms),
            "age_median_ms": _finite(status.age_median_ms),
            "frames_received": status.frames_received,
            "frames_dropped": status.frames_dropped,
            "engine": status.engine,
        }

    async def _set_target(self, request: SetTarget.Request) -> Answer:
        response = await self._call(self._set, request)
        return Answer(response.success, response.message, {"id": response.id})

    async def _remove_target(self, request: RemoveTarget.Request) -> Answer:
        response = await self._call(self._remove, request)
        return Answer(response.success, response.message, {"remaining": list(response.remaining)})

    async def _rename(self, request: RenameTarget.Request) -> Answer:
        response = await self._call(self._rename_target, request)
        return Answer(response.success, response.message)

    async def _call(self, client: Client, request: Any) -> Any:
        await self._wait_for(client)
        loop = asyncio.get_running_loop()
        answered = asyncio.Event()
        future: Future = client.call_async(request)
        # The callback runs in the executor's thread.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(answered.set))
        try:
            await asyncio.wait_for(answered.wait(), _ANSWER_TIMEOUT_S)
        except asyncio.TimeoutError:
            client.remove_pending_request(future)
            raise Unavailable(f"{client.srv_name} did not answer within {_ANSWER_TIMEOUT_S:g} s") from None
        return future.result()

    async def _wait_for(self, client: Client) -> None:
        """Wait for the service: just after the start, the tracker is still being discovered."""
        end_s = time.monotonic() + _DISCOVERY_TIMEOUT_S
        while not client.service_is_ready():
            if time.monotonic() > end_s:
                raise Unavailable(self._absence())
            await asyncio.sleep(0.3)  # the tracker discovers this node a little later

    def _tracker_name(self) -> str:
        return self.resolve_service_name(f"{self.config.tracker}/set_target").rsplit("/", 1)[0]

    def _absence(self) -> str:
        return (
            f"{self._tracker_name()} is not there. Start the tracker (ros2 launch siammaskpp "
            "tracker.launch.py); if it has another name or namespace, set the parameter tracker of "
            f"{self.get_fully_qualified_name()}"
        )

    def _on_status(self, message: TrackerStatus) -> None:
        self._status, self._status_s = message, time.monotonic()

    def _update_subscriptions(self) -> None:
        """Subscribe to the images when the first page is opened, unsubscribe when the last one is closed."""
        if self._camera is not None and not self.viewers:
            self._camera.close()
            self._camera, self._camera_hint = None, ""
            for subscription in self._result_subscriptions:
                self.destroy_subscription(subscription)
            self._result_subscriptions.clear()
            self.feed.clear()
        elif self._camera is None and self.viewers:
            self.feed.clear()
            tracker, newest = self.config.tracker, QoSProfile(depth=1)
            self._result_subscriptions = [
                self.create_subscription(Image, f"{tracker}/labels", self.feed.add_labels, newest),
                self.create_subscription(
                    TrackedObjectArray, f"{tracker}/tracked_objects", self.feed.add_objects, newest
                ),
            ]
            is_compressed = self.config.compressed
            self._camera = ImageInput(self, self.feed.add_image, is_compressed=is_compressed)
        elif self._camera is not None:
            self._camera.adapt()
            self._camera_hint = self._camera.hint()


def _finite(value: float) -> float | None:
    """Return `value` rounded, None for NaN, which JSON does not have."""
    return round(float(value), 1) if math.isfinite(value) else None
