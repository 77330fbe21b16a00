"""Node: a camera that plays a video, a folder of images, a webcam or a stream on the topic ``image``."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from siammaskpp_core.config import Checked, option
from siammaskpp_core.io.video import Frames, open_frames
from siammaskpp_ros.common.conversions import to_image
from siammaskpp_ros.common.node_main import run_node
from siammaskpp_ros.common.parameters import declare

_DEFAULT_FPS = 30.0


@dataclass(frozen=True)
class DemoCameraConfig(Checked):
    """Parameters of the demo camera."""

    video: str = option("0", "Video file, folder of images, webcam (its index or device), or stream")
    rate: float = option(
        0.0, "Images per second; 0: the rate of the video, 30 if unknown", low=0.0, high=1000.0, unit="Hz"
    )
    loop: bool = option(False, "Repeat the video without end")
    frame_id: str = option("camera_optical_frame", "Frame id in the headers of the images")
    wait_for_subscribers: int = option(
        0, "Wait for this number of subscribers before the video starts", low=0, high=100
    )


class DemoCamera(Node):
    """Publishes the images of a source at their real rate, stamped with the time of publishing."""

    def __init__(self) -> None:
        super().__init__("demo_camera")
        self.config = declare(self, DemoCameraConfig)
        self._publisher = self.create_publisher(Image, "image", QoSProfile(depth=5))

    def play(self) -> None:
        """Publish all images and return at the end of the video.

        Raises :class:`~siammaskpp_core.io.images.MediaError`.
        """
        frames = open_frames(self.config.video)
        self._wait_for_subscribers()
        self._play_once(frames)
        while self.config.loop and self.context.ok():
            self._play_once(open_frames(self.config.video))
        time.sleep(0.2)  # the middleware sends the last image in another thread

    def _play_once(self, frames: Frames) -> None:
        period_s = 1 / (self.config.rate or frames.fps or _DEFAULT_FPS)
        start_s = time.monotonic()
        count = 0
        for count, picture in enumerate(frames, start=1):
            if not self.context.ok():
                return
            header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self.config.frame_id)
            self._publisher.publish(to_image(picture, "bgr8", header))
            if not frames.is_camera:  # a webcam delivers images at its own rate
                time.sleep(max(0.0, start_s + count * period_s - time.monotonic()))
        self.get_logger().info(f"{frames.name}: {count} images have been played")
        for problem in frames.left_out:
            self.get_logger().warning(f"left out: {problem}")

    def _wait_for_subscribers(self) -> None:
        while (
            self.context.ok() and self._publisher.get_subscription_count() < self.config.wait_for_subscribers
        ):
            time.sleep(0.05)
        # The subscribers notice the match a little later than the publisher.
        time.sleep(0.5 if self.config.wait_for_subscribers else 0.0)


def main(args: list[str] | None = None) -> int:
    """Play the video; return 0 at its end or after a signal, 1 when it cannot be played."""
    return run_node("demo_camera", DemoCamera, lambda node, *_: node.play(), args=args)
