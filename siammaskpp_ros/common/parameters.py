"""ROS parameters of a node, declared and checked from the options of its configuration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from siammaskpp_core.config import Config, ConfigError, Option, from_mapping, options_of, to_mapping

_NO_LIMIT = float("inf")
# Most parameters that a warning names.
_MAX_NAMES = 5


def declare(node: Node, cls: type[Config]) -> Config:
    """Declare a parameter on `node` for each option of `cls`; return the configuration of their values.

    At start, a number may be written as another type: 1 for 1.0, and 9 for the text "9"; at run time, 1 for
    1.0. Values for parameters that the node does not have are named in a warning. Raises
    :class:`ConfigError`, or one of rclpy's parameter exceptions, for a value that cannot be used.
    """
    # rclpy has no public way to what was given at start, and refuses a 1 for a parameter of type double.
    given: Mapping[str, Parameter] = node._parameter_overrides
    values = {}
    for option in options_of(cls):
        value = _ros_value(option.default)
        if option.name in given:
            value = _of_same_type(option, _ros_value(given[option.name].value))
        node.declare_parameter(option.name, value, descriptor(option), ignore_override=True)
        values[option.name] = _ros_value(node.get_parameter(option.name).value)
    if hasattr(node, "add_pre_set_parameters_callback"):  # not in Humble, where rclpy refuses a 1 for a 1.0
        node.add_pre_set_parameters_callback(lambda changes: [_with_point(node, item) for item in changes])
    unknown = [name for name in given if not node.has_parameter(name) and not name.startswith("qos_override")]
    if unknown:
        node.get_logger().warning(_unknown_text(node.get_name(), unknown, list(values)))
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


def _of_same_type(option: Option, value: Any) -> Any:
    """Return a value given at start as the type of the option; raises :class:`ConfigError` if it has none."""
    kind = type(option.default)
    if kind is tuple:
        if isinstance(value, list):
            item = option._replace(default=option.default[0])
            return [_of_same_type(item, entry) for entry in value]
    elif type(value) is kind:
        return value
    elif type(value) in (int, float):
        is_lossless = kind in (float, str) or (math.isfinite(value) and value == kind(value))
        if is_lossless:
            return kind(value)
    raise ConfigError(
        f"parameter {option.name}: {kind.__name__} is expected, not {value!r}. ROS reads true, yes, on and "
        f"numbers as such; a text like these needs two pairs of quotes: -p {option.name}:=\"'yes'\""
    )


def _with_point(node: Node, change: Parameter) -> Parameter:
    """Return an integer for a parameter of type double as a double; any other change as it is."""
    is_meant = change.type_ == Parameter.Type.INTEGER and node.has_parameter(change.name)
    if is_meant and node.get_parameter(change.name).type_ == Parameter.Type.DOUBLE:
        return Parameter(change.name, value=float(change.value))
    return change


def _unknown_text(node_name: str, unknown: list[str], known: list[str]) -> str:
    """Return a warning about values for parameters that a node does not have."""
    shown = ", ".join(unknown[:_MAX_NAMES]) + (", ..." if len(unknown) > _MAX_NAMES else "")
    similar = [match for name in unknown for match in get_close_matches(name, known, n=1)]
    hint = (
        f"did you mean {', '.join(similar[:_MAX_NAMES])}?" if similar else "it may be meant for another node."
    )
    return f"no effect of {shown}: {node_name} has no such parameter; {hint} See ros2 param list"


def _ros_value(value: Any) -> Any:
    """Return `value` with lists in place of the tuples of configurations and the arrays of rclpy."""
    return value if isinstance(value, (bool, int, float, str)) or value is None else list(value)
