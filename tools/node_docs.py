"""Write docs/nodes: one page for each node, made from its interface and its options.

python -m tools.node_docs [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from siammaskpp_core.config import Option, options_of
from tools.interfaces import INTERFACES, Endpoint, Interface
from tools.parameter_files import allowed_values, help_line, yaml_value

_FOLDER = Path("docs/nodes")
_KINDS = {bool: "bool", int: "int", float: "float", str: "string", tuple: "float[]"}


def page(interface: Interface) -> str:
    """Return the page of one node, in Markdown."""
    parts = [
        f"# {interface.node}",
        "<!-- Written by: python -m tools.node_docs -->",
        interface.summary,
        f"```\nros2 run siammaskpp {interface.node}\n```",
    ]
    if interface.notes:
        parts.append(interface.notes)
    for title, endpoints in (
        ("Subscribed topics", interface.subscribed),
        ("Published topics", interface.published),
        ("Services", interface.offered),
        ("Services called", interface.called),
    ):
        if endpoints:
            parts += [f"## {title}", _endpoint_table(endpoints)]
    parts += ["## Parameters", parameter_table(interface.config)]
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """Return the page that lists all nodes."""
    rows = [f"| [{item.node}]({item.node}.md) | {item.summary} |" for item in INTERFACES]
    return "\n".join(
        [
            "# Nodes",
            "",
            "<!-- Written by: python -m tools.node_docs -->",
            "",
            "Topics, services and parameters of every node. Names are relative to the node's namespace; `~`",
            "is the node's own name. All publishers are reliable, which serves best-effort subscribers too.",
            "",
            "| node | purpose |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def pages() -> dict[str, str]:
    """Return all pages by their file names."""
    return {"README.md": index()} | {f"{item.node}.md": page(item) for item in INTERFACES}


def _endpoint_table(endpoints: Sequence[Endpoint]) -> str:
    rows = ["| name | type | purpose | available |", "| --- | --- | --- | --- |"]
    for item in endpoints:
        rows.append(f"| `{item.name}` | {_type(item.type)} | {item.text} | {item.condition or 'always'} |")
    return "\n".join(rows)


def _type(name: str) -> str:
    package, folder, kind = name.split("/")
    short = f"{package}/{kind}"
    return f"[{short}](../../{folder}/{kind}.{folder})" if package == "siammaskpp" else short


def parameter_table(config: type) -> str:
    """Return the table of all parameters that a node makes of the options of `config`."""
    rows = ["| name | type | default | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    for option in options_of(config):
        kind, default = _KINDS[type(option.default)], f"`{yaml_value(option.default)}`"
        cells = (f"`{option.name}`", kind, default, _allowed(option), help_line(option))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _allowed(option: Option) -> str:
    """Return the allowed values in Markdown; for lists of numbers, their unit."""
    if option.spec.choices:
        return ", ".join(f"`{choice}`" for choice in option.spec.choices)
    return allowed_values(option) or option.spec.unit


def main() -> int:
    """Write all pages; return the exit code."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
