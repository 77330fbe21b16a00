"""docs/nodes: one page for each node, written from what the code declares.

python -m tools.node_docs [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from siammaskpp_core.config import spec_of
from tools.interfaces import INTERFACES, Endpoint, Interface
from tools.parameter_docs import yaml_value

_FOLDER = Path("docs/nodes")
_KINDS = {bool: "bool", int: "int", float: "float", str: "string", tuple: "float[]"}


def page(interface: Interface) -> str:
    """The page of one node, in Markdown."""
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
    parts += ["## Parameters", _parameter_table(interface)]
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """The list of all pages."""
    rows = [f"| [{item.node}]({item.node}.md) | {item.summary} |" for item in INTERFACES]
    return "\n".join(
        [
            "# Nodes",
            "",
            "<!-- Written by: python -m tools.node_docs -->",
            "",
            "Names are relative to the node's namespace; `~` is the node's own name. All publishers are",
            "reliable, which serves best-effort subscribers too.",
            "",
            "| node | |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def pages() -> dict[str, str]:
    """File names and their content."""
    return {"README.md": index()} | {f"{item.node}.md": page(item) for item in INTERFACES}


def _endpoint_table(endpoints: Sequence[Endpoint]) -> str:
    rows = ["| name | type | | when |", "| --- | --- | --- | --- |"]
    for item in endpoints:
        rows.append(f"| `{item.name}` | {_type(item.type)} | {item.text} | {item.condition or 'always'} |")
    return "\n".join(rows)


def _type(name: str) -> str:
    package, folder, kind = name.split("/")
    short = f"{package}/{kind}"
    return f"[{short}](../../{folder}/{kind}.{folder})" if package == "siammaskpp" else short


def _parameter_table(interface: Interface) -> str:
    rows = ["| name | type | default | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    for item in fields(interface.config):
        spec, default = spec_of(item), item.default
        if spec.choices:
            allowed = ", ".join(f"`{choice}`" for choice in spec.choices)
        elif isinstance(default, (int, float)) and not isinstance(default, bool):
            allowed = spec.range_text()
        else:
            allowed = spec.unit
        value = list(default) if isinstance(default, tuple) else default
        meaning = spec.help + ("; changes at run time" if item.name in interface.runtime else "")
        cells = (f"`{item.name}`", _KINDS[type(default)], f"`{yaml_value(value)}`", allowed, meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def main() -> int:
    """Write all pages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
