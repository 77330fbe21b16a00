"""Write config/tracker.yaml and config/follower.yaml: every parameter with its help line and its default.

python -m tools.parameter_files tracker > config/tracker.yaml
python -m tools.parameter_files follower > config/follower.yaml
"""

from __future__ import annotations

import argparse
import sys

from siammaskpp_core.config import Option, options_of
from siammaskpp_ros.follow.control import FollowConfig
from siammaskpp_ros.tracker.parameters import NodeConfig

_CONFIGS: dict[str, type] = {"tracker_node": NodeConfig, "follower": FollowConfig}


def yaml_text(node: str) -> str:
    """Return the parameter file of a node, ``tracker_node`` or ``follower``."""
    name = node.removesuffix("_node")
    lines = [
        f"# Parameters of the {name} node with their defaults.",
        f"# Written by: python -m tools.parameter_files {name} > config/{name}.yaml",
        "/**:",
        "  ros__parameters:",
    ]
    for option in options_of(_CONFIGS[node]):
        lines += [f"    # {_comment(option)}", f"    {option.name}: {yaml_value(option.default)}"]
    return "\n".join(lines) + "\n"


def yaml_value(value: object) -> str:
    """Return a parameter value in YAML, from which ROS reads the same type back."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return repr(list(value))
    return f'"{value}"' if isinstance(value, str) else repr(value)


def help_line(option: Option) -> str:
    """Return the help line of an option, and that it changes at run time if it does."""
    return option.spec.help + ("; changes at run time" if option.spec.at_run_time else "")


def allowed_values(option: Option) -> str:
    """Return the choices or the range of an option; empty when it takes every value of its type."""
    spec, default = option.spec, option.default
    if spec.choices:
        return ", ".join(spec.choices)
    is_number = isinstance(default, (int, float)) and not isinstance(default, bool)
    return spec.range_text() if is_number else ""


def _comment(option: Option) -> str:
    allowed = allowed_values(option)
    if option.spec.choices:
        allowed = f"one of {allowed}"
    return help_line(option) + (f"; {allowed}" if allowed else "")


if __name__ == "__main__":
    nodes = {"tracker": "tracker_node", "follower": "follower"}
    parser = argparse.ArgumentParser(description="Write the parameter file of a node to the standard output.")
    parser.add_argument("node", choices=nodes)
    sys.stdout.write(yaml_text(nodes[parser.parse_args().node]))
