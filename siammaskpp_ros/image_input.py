"""The subscription to the camera: topic, kind of image, and a quality of service that fits the camera."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from .parameters import NodeConfig

_ADVICE = "check the camera and the remapping image:=..."


class ImageInput:
    """Subscribes to ``image`` (or ``image/compressed``); calls `received` with each message and the seconds
    since it arrived.

    Best effort takes images from every publisher, but Fast DDS loses about a third of the images that
    are larger than its shared memory segment (512 KB) that way; reliable loses none, but gets nothing
    from a best-effort publisher. With image_reliability auto the publishers on the topic decide.
    """

    def __init__(
        self, node: Node, config: NodeConfig, received: Callable[[Image | CompressedImage, float], None]
    ) -> None:
        self._node = node
        self._reliability = config.image_reliability
        self._received = received
        self._kind = CompressedImage if config.compressed else Image
        self.topic: str = node.resolve_topic_name("image/compressed" if config.compressed else "image")
        self._subscription: Any = None
        self.adapt()

    def adapt(self) -> None:
        """Subscribe anew when the publishers ask for another reliability; call it now and then."""
        wanted = self._wanted()
        if self._subscription is not None:
            if self._subscription.qos_profile.reliability == wanted:
                return
            self.close()
        # Depth 1: an image that waits here is already too old.
        qos = QoSProfile(depth=1, reliability=wanted)
        self._subscription = self._node.create_subscription(self._kind, self.topic, self._on_message, qos)

    def close(self) -> None:
        """Take no more images."""
        self._node.destroy_subscription(self._subscription)
        self._subscription = None

    def hint(self) -> str:
        """Why there may be no images: topic, publishers and what they offer."""
        offers = self._offers()
        publishers = f"{len(offers)} publisher(s)" + (
            f" ({', '.join(item.name for item in offers)})" if offers else ""
        )
        asked = self._subscription.qos_profile.reliability.name
        return f"no image on {self.topic}: it has {publishers}, {asked} is asked for; {_ADVICE}"

    def _on_message(self, message: Image | CompressedImage, info: dict[str, int]) -> None:
        arrived_ns = info["received_timestamp"]  # by the system's clock; 0: the middleware does not tell
        self._received(message, max(time.time_ns() - arrived_ns, 0) * 1e-9 if arrived_ns else 0.0)

    def _offers(self) -> list[ReliabilityPolicy]:
        infos = self._node.get_publishers_info_by_topic(self.topic)
        return [info.qos_profile.reliability for info in infos]

    def _wanted(self) -> ReliabilityPolicy:
        if self._reliability != "auto":
            return ReliabilityPolicy[self._reliability.upper()]
        offers = self._offers()
        all_reliable = bool(offers) and all(offer == ReliabilityPolicy.RELIABLE for offer in offers)
        return ReliabilityPolicy.RELIABLE if all_reliable else ReliabilityPolicy.BEST_EFFORT
