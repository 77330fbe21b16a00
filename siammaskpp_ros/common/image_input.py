"""The subscription to the camera: topic, kind of image, and a quality of service that fits the camera."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage, Image

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


class ImageInput:
    """A subscription to images that calls `received` with each message and the seconds since it arrived.

    The topic is `name`, or ``<name>/compressed`` for compressed images.

    Best effort takes images from every publisher, but Fast DDS loses about a third of the images that
    are larger than its shared memory segment (512 KB) that way; reliable loses none, but gets nothing
    from a best-effort publisher. With `reliability` auto the publishers on the topic decide.
    """

    def __init__(
        self,
        node: Node,
        received: Callable[[Image | CompressedImage, float], None],
        name: str = "image",
        *,
        is_compressed: bool = False,
        reliability: str = "auto",
        queue: int = 1,
    ) -> None:
        self._node = node
        self._reliability = reliability
        self._received = received
        self._kind = CompressedImage if is_compressed else Image
        self._queue = queue
        self.topic = image_topic(node, name, is_compressed)
        self._subscription: Any = None
        self.incompatible = ""
        """Which publishers cannot reach this subscription, and the remedy; empty when all can."""
        self._is_suspected = False
        self.adapt()

    def adapt(self) -> None:
        """Subscribe anew when the publishers ask for another reliability; call it now and then."""
        wanted = self._wanted()
        if self._subscription is not None:
            if self._subscription.qos_profile.reliability == wanted:
                if self._is_suspected:
                    self._look_for_incompatible()
                return
            self.close()
        self.incompatible, self._is_suspected = "", False
        # Of the camera's images only the newest: one that waits here is already too old.
        qos = QoSProfile(depth=self._queue, reliability=wanted)
        self._subscription = self._node.create_subscription(
            self._kind,
            self.topic,
            self._on_message,
            qos,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos),
        )

    def close(self) -> None:
        """Take no more images."""
        self._node.destroy_subscription(self._subscription)
        self._subscription = None

    def hint(self) -> str:
        """Why there may be no images: topic, publishers and what they offer."""
        return why_no_image(self._node, self.topic, self._kind, self._subscription.qos_profile)

    def _on_incompatible_qos(self, _event: object) -> None:
        self._is_suspected = True
        # With image_reliability auto a publisher may be new; adapt() comes to it within a second.
        if self._wanted() == self._subscription.qos_profile.reliability:
            self._look_for_incompatible()

    def _look_for_incompatible(self) -> None:
        """Log who cannot reach us when that is new; the graph may tell later than the event."""
        infos = self._node.get_publishers_info_by_topic(self.topic)
        found = incompatible(infos, self._subscription.qos_profile)
        if found and found != self.incompatible:
            self._node.get_logger().warning(f"{self.topic}: {found}")
        self.incompatible = found

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


def image_topic(node: Node, name: str, is_compressed: bool) -> str:
    """The resolved name of an image topic, whose compressed images come on ``<name>/compressed``."""
    topic: str = node.resolve_topic_name(f"{name}/compressed" if is_compressed else name)
    return topic


_MOST_NAMES = 5


def why_no_image(node: Node, topic: str, kind: Any, asked: QoSProfile) -> str:
    """Why no image of the message class `kind` comes on `topic`, and what to do about it."""
    infos = node.get_publishers_info_by_topic(topic)
    if not infos:
        return f"no image on {topic}: it has no publisher; {_elsewhere(node, topic, kind)}"
    wanted = type_name(kind)
    if all(info.topic_type != wanted for info in infos):
        return (
            f"no image on {topic}: its publishers ({_listed(infos)}) send {infos[0].topic_type}, {wanted} is "
            "expected; set the parameter compressed, or correct the remapping image:=..."
        )
    refusal = incompatible(infos, asked)
    if refusal:
        return f"no image on {topic}: {refusal}"
    return (
        f"no image on {topic}: it has {len(infos)} publisher(s) ({_listed(infos)}), "
        f"{asked.reliability.name} is asked for; check that the camera runs: ros2 topic hz {topic}"
    )


def incompatible(infos: list[TopicEndpointInfo], asked: QoSProfile) -> str:
    """Which publishers send nothing to a subscription that asks for `asked`, and the remedy; else empty."""
    verdicts = [(info, *qos_check_compatible(info.qos_profile, asked)) for info in infos]
    refused = [info for info, verdict, _ in verdicts if verdict == QoSCompatibility.ERROR]
    if not refused:
        return ""
    reason = next(text for _, verdict, text in verdicts if verdict == QoSCompatibility.ERROR)
    return (
        f"incompatible QoS with {_listed(refused)} ({reason.strip(' ;')}); "
        "set image_reliability to auto or best_effort"
    )


def type_name(kind: Any) -> str:
    """The name of a message class in the ROS graph: sensor_msgs/msg/Image."""
    package, folder, _ = kind.__module__.split(".", 2)
    return f"{package}/{folder}/{kind.__name__}"


def _listed(infos: list[TopicEndpointInfo]) -> str:
    names = [
        f"{info.node_namespace.rstrip('/')}/{info.node_name} {info.qos_profile.reliability.name}"
        for info in infos[:_MOST_NAMES]
    ]
    return ", ".join(names) + (", ..." if len(infos) > _MOST_NAMES else "")


def _elsewhere(node: Node, topic: str, kind: Any) -> str:
    """Topics on which such images are published by others."""
    own = node.get_fully_qualified_name() + "/"
    names = [
        name
        for name, types in node.get_topic_names_and_types()
        if type_name(kind) in types
        and name != topic
        and not name.startswith(own)
        and node.count_publishers(name)
    ]
    if not names:
        return "start the camera, or remap image:=<its topic>"
    shown = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    return f"images are published on {shown}: remap image:=<one of them>"
