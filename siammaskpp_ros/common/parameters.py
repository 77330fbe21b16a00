"""The node's parameters: one dataclass, from which descriptors, checks and config/tracker.yaml come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from siammaskpp_core.config import Config, ConfigError, OptionSpec, from_mapping, spec_of
from siammaskpp_ros.tracker.parameters import (
    RUNTIME_PARAMETERS,
    NodeConfig,
)

_NO_LIMIT = float("inf")


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
