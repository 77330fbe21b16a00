"""tools.parameter_docs."""

from __future__ import annotations

import sys
from dataclasses import fields

from siammaskpp_core.config import OptionSpec, spec_of
from siammaskpp_ros.follow.control import RUNTIME_FOLLOW_PARAMETERS, FollowConfig
from siammaskpp_ros.tracker.parameters import (
    RUNTIME_PARAMETERS,
    NodeConfig,
)

# The options of a node, and which of them act at run time.
NODES: dict[str, tuple[type, frozenset[str]]] = {
    "tracker_node": (NodeConfig, RUNTIME_PARAMETERS),
    "follower": (FollowConfig, RUNTIME_FOLLOW_PARAMETERS),
}


def yaml_text(node: str = "tracker_node") -> str:
    """The content of config/tracker.yaml (or config/follower.yaml): every parameter with help and default."""
    cls, runtime = NODES[node]
    name = node.removesuffix("_node")
    lines = [
        f"# Parameters of the {name} node with their defaults.",
        f"# Written by: python -m tools.parameter_docs {name} > config/{name}.yaml",
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
