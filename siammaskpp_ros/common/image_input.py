"""Subscriptions to images with a QoS that fits the camera, and hints why no image arrives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage, Image

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

# Most nodes or topics that a hint names.
_MAX_NAMES = 5


class ImageInput:
    """A subscription to images that calls `received` with each message and its receive delay in s.

    The topic is `name`, or ``<name>/compressed`` for compressed images. `queue` is the depth of the QoS.

    A best-effort subscription receives from every publisher, but Fast DDS then loses about a third of the
    images that are larger than its shared memory segment (512 KB). A reliable one loses none, but receives
    nothing from best-effort publishers. With `reliability` auto it is reliable if all publishers are.
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
        """Text about publishers that cannot reach this subscription, with the remedy; empty when all can."""
        self._is_suspected = False
        self.adapt()

    def adapt(self) -> None:
        """Subscribe again when the publishers call for another QoS; to be called once a second."""
        qos = self._wanted()
        if self._subscription is not None:
            if is_same_qos(self._subscription.qos_profile, qos):
                if self._is_suspected:
                    self._find_incompatible()
                return
            self.close()
        self.incompatible, self._is_suspected = "", False
        self._subscription = self._node.create_subscription(
            self._kind,
            self.topic,
            self._on_message,
            qos,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos),
        )

    def close(self) -> None:
        """Destroy the subscription."""
        self._node.destroy_subscription(self._subscription)
        self._subscription = None

    def hint(self) -> str:
        """Return the reason why there may be no images; see :func:`why_no_image`."""
        return why_no_image(self._node, self.topic, self._kind, self._subscription.qos_profile)

    def publishers(self) -> str:
        """Return a text with the names of the publishers when there are several."""
        infos = self._node.get_publishers_info_by_topic(self.topic)
        return f"{len(infos)} publishers on {self.topic}: {_listed(infos)}" if len(infos) > 1 else ""

    def _on_incompatible_qos(self, _event: object) -> None:
        self._is_suspected = True
        # With reliability auto, adapt() may subscribe again for a new publisher within a second.
        if is_same_qos(self._subscription.qos_profile, self._wanted()):
            self._find_incompatible()

    def _find_incompatible(self) -> None:
        """Log a new set of incompatible publishers, which the ROS graph may know later than the event."""
        infos = self._node.get_publishers_info_by_topic(self.topic)
        found = incompatible(infos, self._subscription.qos_profile)
        if found and found != self.incompatible:
            self._node.get_logger().warning(f"{self.topic}: {found}")
        self.incompatible = found

    def _on_message(self, message: Image | CompressedImage, info: dict[str, int]) -> None:
        arrived_ns = info["received_timestamp"]  # on the system clock; 0 if the middleware does not set it
        self._received(message, max(time.time_ns() - arrived_ns, 0) * 1e-9 if arrived_ns else 0.0)

    def _wanted(self) -> QoSProfile:
        return fitting_qos(self._node, self.topic, self._queue, self._reliability)


def fitting_qos(node: Node, topic: str, depth: int, reliability: str = "auto") -> QoSProfile:
    """Return the QoS with which a subscription receives from all present publishers of `topic`.

    With `reliability` auto it is reliable if all publishers are. A reliable one is transient local if all
    publishers are, so that it also receives what was published, once and for all, before it was made.
    """
    infos = node.get_publishers_info_by_topic(topic)
    qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)
    reliable, kept = ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL
    if reliability != "auto":
        qos.reliability = ReliabilityPolicy[reliability.upper()]
    elif infos and all(info.qos_profile.reliability == reliable for info in infos):
        qos.reliability = reliable
    if qos.reliability == reliable and infos and all(info.qos_profile.durability == kept for info in infos):
        qos.durability = kept
    return qos


def is_same_qos(one: QoSProfile, other: QoSProfile) -> bool:
    """Return True when reliability and durability are the same."""
    return bool(one.reliability == other.reliability and one.durability == other.durability)


def image_topic(node: Node, name: str, is_compressed: bool) -> str:
    """Return the resolved name of an image topic.

    Compressed images come on ``<name>/compressed``, of whatever `name` is remapped to with or without that
    ending, or on the topic to which ``<name>/compressed`` itself is remapped.
    """
    topic: str = node.resolve_topic_name(name)
    if not is_compressed:
        return topic
    compressed: str = node.resolve_topic_name(f"{name}/compressed")
    if compressed != node.resolve_topic_name(f"{name}/compressed", only_expand=True):
        return compressed
    return topic if topic.endswith("/compressed") else f"{topic}/compressed"


def why_no_image(node: Node, topic: str, kind: Any, requested: QoSProfile) -> str:
    """Return why no image of the message class `kind` arrives on `topic`, and what to do about it."""
    infos = node.get_publishers_info_by_topic(topic)
    if not infos:
        return f"no image on {topic}: it has no publisher; {_elsewhere(node, topic, kind)}"
    wanted = type_name(kind)
    if all(info.topic_type != wanted for info in infos):
        return (
            f"no image on {topic}: its publishers ({_listed(infos)}) send {infos[0].topic_type}, {wanted} is "
            "expected; set the parameter compressed, or correct the remapping image:=..."
        )
    refusal = incompatible(infos, requested)
    if refusal:
        return f"no image on {topic}: {refusal}"
    return (
        f"no image on {topic}: it has {len(infos)} publisher(s) ({_listed(infos)}), "
        f"{requested.reliability.name} is asked for; check that the camera runs: ros2 topic hz {topic}"
    )


def incompatible(infos: list[TopicEndpointInfo], requested: QoSProfile) -> str:
    """Return a text about publishers that cannot reach a subscription with the QoS `requested`, if any."""
    verdicts = [(info, *qos_check_compatible(info.qos_profile, requested)) for info in infos]
    refused = [info for info, verdict, _ in verdicts if verdict == QoSCompatibility.ERROR]
    if not refused:
        return ""
    reason = next(text for _, verdict, text in verdicts if verdict == QoSCompatibility.ERROR)
    return (
        f"incompatible QoS with {_listed(refused)} ({reason.strip(' ;')}); "
        "set image_reliability to auto or best_effort"
    )


def type_name(kind: Any) -> str:
    """Return the name of a message class in the ROS graph, such as sensor_msgs/msg/Image."""
    package, folder, _ = kind.__module__.split(".", 2)
    return f"{package}/{folder}/{kind.__name__}"


def _listed(infos: list[TopicEndpointInfo]) -> str:
    names = [
        f"{info.node_namespace.rstrip('/')}/{info.node_name} {info.qos_profile.reliability.name}"
        for info in infos[:_MAX_NAMES]
    ]
    return ", ".join(names) + (", ..." if len(infos) > _MAX_NAMES else "")


def _elsewhere(node: Node, topic: str, kind: Any) -> str:
    """Return a hint that names topics on which other nodes publish such images."""
    own = node.get_fully_qualified_name() + "/"
    names = [
        name
        for name, types in node.get_topic_names_and_types()
        if type_name(kind) in types
        and name != topic
        and not name.startswith(own)
        and node.count_publishers(name)
    ]
    is_compressed = kind is CompressedImage
    if not is_compressed and node.count_publishers(f"{topic}/compressed"):
        return f"compressed images are published on {topic}/compressed: set the parameter compressed to true"
    if not names:
        return "start the camera, or remap image:=<its topic>"
    shown = ", ".join(names[:_MAX_NAMES]) + (", ..." if len(names) > _MAX_NAMES else "")
    is_usual = all(name.endswith("/compressed") for name in names) or not is_compressed
    return (
        f"images are published on {shown}: remap {'image' if is_usual else 'image/compressed'}:=<one of them>"
    )
