"""ROS parameters of a node, declared and checked from the options of its configuration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from siammaskpp_core.config import Config, ConfigError, Option, from_mapping, options_of, to_mapping

_NO_LIMIT = float("inf")


def declare(node: Node, cls: type[Config]) -> Config:
    """Declare a parameter on `node` for each option of `cls`; return the configuration of their values.

    Raises :class:`ConfigError`, or one of rclpy's parameter exceptions, for a value that cannot be used.
    """
    values = {}
    for option in options_of(cls):
        node.declare_parameter(option.name, _ros_value(option.default), descriptor(option))
        values[option.name] = _ros_value(node.get_parameter(option.name).value)
    return from_mapping(cls, values, "parameters")


def descriptor(option: Option) -> ParameterDescriptor:
    """Return the ROS descriptor of an option: its help line with the unit, its range and its choices."""
    name, default, spec = option
    result = ParameterDescriptor(name=name, description=spec.help + (f" [{spec.unit}]" if spec.unit else ""))
    result.read_only = spec.read_only
    if spec.choices:
        result.additional_constraints = "one of: " + ", ".join(spec.choices)
    low = -_NO_LIMIT if spec.low is None else spec.low
    high = _NO_LIMIT if spec.high is None else spec.high
    if isinstance(default, float):
        result.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    elif isinstance(default, int) and not isinstance(default, bool):
        result.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return result


def changed(
    config: Config, changes: Iterable[Parameter], fixed_because: str
) -> tuple[SetParametersResult, Config]:
    """Apply `changes` to `config`; return the answer to the request and the configuration from then on.

    A request that is refused changes nothing, and the answer says why. `fixed_because` completes the sentence
    "<parameter> ..." about parameters that do not change at run time; when it is empty, all of them may
    change. Parameters that are no options of `config` (use_sim_time, qos_overrides) are left alone.
    """
    values = to_mapping(config)
    at_run_time = {option.name for option in options_of(type(config)) if option.spec.at_run_time}
    for change in changes:
        name, value = change.name, _ros_value(change.value)
        if name not in values:
            continue
        if fixed_because and name not in at_run_time and value != values[name]:
            reason = f"{name} {fixed_because}"
            return SetParametersResult(successful=False, reason=reason), config
        values[name] = value
    try:
        return SetParametersResult(successful=True), from_mapping(type(config), values, "parameters")
    except ConfigError as error:
        return SetParametersResult(successful=False, reason=str(error)), config


def _ros_value(value: Any) -> Any:
    """Return `value` with lists in place of the tuples of configurations and the arrays of rclpy."""
    return value if isinstance(value, (bool, int, float, str)) or value is None else list(value)
