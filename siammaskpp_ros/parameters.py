"""The node's parameters: one dataclass, from which descriptors, checks and config/tracker.yaml come."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from siammaskpp_core.config import Config, ConfigError, OptionSpec, from_mapping, option, spec_of
from siammaskpp_core.engine_options import EngineOptions
from siammaskpp_core.tracking import LongTermConfig

from .following import RUNTIME_FOLLOW_PARAMETERS, FollowConfig
from .pose_parameters import POSE_RUNTIME_PARAMETERS, PoseOptions

_NO_LIMIT = float("inf")


@dataclass(frozen=True)
class NodeOptions(EngineOptions):
    """Parameters that only the node has, and those of its engine."""

    autostart: bool = option(True, "Configure and activate at start; false: wait for lifecycle commands")
    model: str = option("", "Folder of the model; empty: the default weights of this package")
    compressed: bool = option(False, "Subscribe to sensor_msgs/CompressedImage on image/compressed")
    image_reliability: str = option(
        "auto",
        "Reliability asked of the camera; auto: reliable when all its publishers are, else best_effort",
        choices=("auto", "best_effort", "reliable"),
    )
    max_targets: int = option(8, "Targets tracked at the same time", low=1, high=254)
    frame_memory_s: float = option(
        1.0,
        "How long images are remembered for set_target requests with a stamp",
        low=0.0,
        high=30.0,
        unit="s",
    )
    frame_memory_mb: int = option(
        96, "Bound of the memory for these images; older ones go first", low=1, high=4096, unit="MB"
    )
    detection_class: str = option(
        "", "Class of the detections of ~/detections_in that may become the target; empty: any"
    )
    detection_min_score: float = option(0.5, "Their lowest score", low=0.0, high=1.0)
    no_image_warning_s: float = option(
        5.0, "Warn when no image came for so long", low=0.5, high=3600.0, unit="s"
    )


@dataclass(frozen=True)
class NodeConfig(PoseOptions, LongTermConfig, NodeOptions):
    """Parameters of the tracker node."""


# These act on the next image; all others are read when the node is configured.
RUNTIME_PARAMETERS = frozenset(
    {
        "max_targets",
        "detection_class",
        "detection_min_score",
        "no_image_warning_s",
        *(item.name for item in fields(LongTermConfig)),
        *POSE_RUNTIME_PARAMETERS,
    }
)

# The options of a node, and which of them act at run time.
NODES: dict[str, tuple[type, frozenset[str]]] = {
    "tracker_node": (NodeConfig, RUNTIME_PARAMETERS),
    "follower": (FollowConfig, RUNTIME_FOLLOW_PARAMETERS),
}


def declare(node: Node, cls: type[Config]) -> Config:
    """Declare a parameter on `node` for each option of `cls`; the configuration from their initial values.

    Raises :class:`ConfigError`, or rclpy's parameter exceptions, when a given value cannot be used.
    """
    values: dict[str, Any] = {}
    for item in fields(cls):  # type: ignore[arg-type]
        default: Any = item.default
        is_list = isinstance(default, tuple)
        if is_list:  # ROS has arrays, the configuration has tuples
            default = list(default)
        node.declare_parameter(item.name, default, descriptor(spec_of(item), default, item.name))
        value = node.get_parameter(item.name).value
        values[item.name] = list(value) if is_list else value
    return from_mapping(cls, values, "parameters")


def descriptor(spec: OptionSpec, default: Any, name: str) -> ParameterDescriptor:
    """The ROS descriptor of an option: help, range and what else limits it."""
    result = ParameterDescriptor(name=name, description=spec.help + (f" [{spec.unit}]" if spec.unit else ""))
    if spec.choices:
        result.additional_constraints = "one of: " + ", ".join(spec.choices)
    low = -_NO_LIMIT if spec.low is None else spec.low
    high = _NO_LIMIT if spec.high is None else spec.high
    if isinstance(default, float):
        result.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    elif isinstance(default, int) and not isinstance(default, bool):
        result.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    result.read_only = name == "autostart"
    return result


def changed(
    config: NodeConfig, parameters: Iterable[Parameter], is_configured: bool
) -> tuple[SetParametersResult, NodeConfig]:
    """Answer a request to set parameters: the result with a reason, and the configuration from then on.

    Parameters that are not ours (use_sim_time, qos_overrides) are left alone.
    """
    ours = {item.name: getattr(config, item.name) for item in fields(NodeConfig)}
    for parameter in parameters:
        if parameter.name not in ours:
            continue
        if (
            is_configured
            and parameter.name not in RUNTIME_PARAMETERS
            and parameter.value != ours[parameter.name]
        ):
            reason = (
                f"{parameter.name} is read when the node is configured: deactivate and clean up the node "
                "first, or set it at start"
            )
            return SetParametersResult(successful=False, reason=reason), config
        ours[parameter.name] = parameter.value
    try:
        return SetParametersResult(successful=True), from_mapping(NodeConfig, ours, "parameters")
    except ConfigError as error:
        return SetParametersResult(successful=False, reason=str(error)), config


def yaml_text(node: str = "tracker_node") -> str:
    """The content of config/tracker.yaml (or config/follower.yaml): every parameter with help and default."""
    cls, runtime = NODES[node]
    name = node.removesuffix("_node")
    lines = [
        f"# Parameters of the {name} node with their defaults.",
        f"# Written by: python -m siammaskpp_ros.parameters {name} > config/{name}.yaml",
        f"/**/{node}:",
        "  ros__parameters:",
    ]
    for item in fields(cls):  # type: ignore[arg-type]
        lines += [f"    # {_help_line(spec_of(item), item.default, item.name in runtime)}"]
        lines += [f"    {item.name}: {yaml_value(item.default)}"]
    return "\n".join(lines) + "\n"


def yaml_value(value: object) -> str:
    """A parameter value in YAML, so that ROS reads the same type back."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def markdown_table(node: str = "tracker_node") -> str:
    """The table of all parameters in README.md (or docs/following.md)."""
    cls, runtime = NODES[node]
    rows = ["| parameter | default | meaning |", "| --- | --- | --- |"]
    for item in fields(cls):  # type: ignore[arg-type]
        text = _help_line(spec_of(item), item.default, item.name in runtime).replace("|", "\\|")
        rows.append(f"| `{item.name}` | `{yaml_value(item.default)}` | {text} |")
    return "\n".join(rows) + "\n"


def _help_line(spec: OptionSpec, default: object, changes_at_run_time: bool) -> str:
    text = f"{spec.help}; changes at run time" if changes_at_run_time else spec.help
    if spec.choices:
        return f"{text}; one of {', '.join(spec.choices)}"
    is_number = isinstance(default, (int, float)) and not isinstance(default, bool)
    return f"{text}; {spec.range_text()}" if is_number else text


if __name__ == "__main__":
    named = "follower" if "follower" in sys.argv else "tracker_node"
    sys.stdout.write(markdown_table(named) if "--markdown" in sys.argv else yaml_text(named))
