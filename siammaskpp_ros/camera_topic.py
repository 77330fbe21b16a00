"""What the ROS graph says about the camera's topic, in words for an operator."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo

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
