"""Node: the camera of ``bench_node``; its synthetic objects start to move once all of them are tracked."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from siammaskpp.msg import TrackedObjectArray
from siammaskpp_core.bench.scene import moving_objects
from siammaskpp_core.config import Checked, option
from siammaskpp_ros.common.conversions import to_image
from siammaskpp_ros.common.node_main import run_node
from siammaskpp_ros.common.parameters import declare
from siammaskpp_ros.common.steady_clock import STEADY_CLOCK

# Time between two positions of the objects: a tracker that runs at 2 Hz can still follow them.
_SCENE_PERIOD_S = 0.05


@dataclass(frozen=True)
class BenchCameraConfig(Checked):
    """Parameters of the benchmark's camera."""

    width: int = option(640, "Width of the images", low=64, high=16384, unit="px")
    height: int = option(480, "Height of the images", low=64, high=16384, unit="px")
    rate: float = option(60.0, "Images per second", low=0.1, high=10000.0, unit="Hz")
    objects: int = option(1, "Number of objects in the images", low=1, high=254)


class BenchCamera(Node):
    """Publishes images that are rendered in advance and stamped at the moment of publishing."""

    def __init__(self) -> None:
        super().__init__("bench_camera")
        self.config = declare(self, BenchCameraConfig)
        self._scene = moving_objects((self.config.width, self.config.height), self.config.objects)
        self._image = self._next_image()
        self._next_s = float("inf")
        self._images = self.create_publisher(Image, "image", QoSProfile(depth=1))
        self.create_subscription(TrackedObjectArray, "tracker_node/tracked_objects", self._on_objects, 1)
        self.create_timer(1 / self.config.rate, self._publish, clock=STEADY_CLOCK)

    def _publish(self) -> None:
        self._image.header.stamp = self.get_clock().now().to_msg()
        self._images.publish(self._image)
        if time.monotonic() >= self._next_s:
            self._next_s += _SCENE_PERIOD_S
            self._image = self._next_image()

    def _on_objects(self, message: TrackedObjectArray) -> None:
        if len(message.objects) == self.config.objects:
            self._next_s = min(self._next_s, time.monotonic())

    def _next_image(self) -> Image:
        picture, _ = next(self._scene)
        return to_image(picture, "bgr8", Header(frame_id="camera_optical_frame"))


def main() -> int:
    """Publish until a signal ends the node; return 0 then, and 1 when a parameter cannot be used."""
    return run_node("bench_camera", BenchCamera)


if __name__ == "__main__":
    sys.exit(main())
