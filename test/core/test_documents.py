"""README and docs: their links lead somewhere, and files, names, commands and options in them exist."""

from __future__ import annotations

import argparse
import ast
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from siammaskpp_core.cli import main as cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "siammaskpp_core/weights/lite/MODEL_CARD.md",
]
PLACES = (
    *("siammaskpp_core", "siammaskpp_ros", "test", "config", "msg", "srv", "launch", "tools", "docs"),
    "examples",
)
OF_REFERENCE_IMPLEMENTATIONS = ("models/siammask_plus_plus_re.py",)
PATH = re.compile(rf"(?:{'|'.join(PLACES)})/[\w./-]*\w/?(?!\w*\*)")


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


@cache
def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_names_every_document() -> None:
    folder = ROOT / "docs"
    links = re.findall(r"\]\(([^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert {path.name for path in folder.glob("*.md")} - set(links) == {"README.md"}


@cache
def files_of_the_code() -> list[str]:
    folders = (*PLACES, "setup.py")
    return [
        f"/{path.relative_to(ROOT)}"
        for place in folders
        for path in [*(ROOT / place).rglob("*"), ROOT / place]
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_files_that_are_named_exist(document: Path) -> None:
    """A path from the root of the repository; Python files also by the end of their path."""
    quoted = set(re.findall(r"`([\w./-]+)`", document.read_text(encoding="utf-8")))
    quoted -= {*OF_REFERENCE_IMPLEMENTATIONS}
    paths = [text for text in quoted if PATH.fullmatch(text) or text.endswith(".py")]
    missing = [
        path
        for path in paths
        if "NAME" not in path
        and not any(file.endswith(f"/{path.strip('/')}") for file in files_of_the_code())
    ]
    assert sorted(missing) == []


@cache
def names_in_the_code() -> set[str]:
    """Classes, functions, constants and `Class.attribute` in the code."""
    names: set[str] = set()
    for path in (path for package in (*PLACES[:2], "tools") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                attributes = {item.attr for item in ast.walk(node) if isinstance(item, ast.Attribute)}
                methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
                names |= {node.name, *(f"{node.name}.{name}" for name in attributes | methods)}
            elif isinstance(node, ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Name):
                names.add(node.id)
    return names


def test_names_in_the_architecture_are_those_of_the_code() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    quoted = set(re.findall(r"`([A-Z]\w*[a-z_]\w*(?:\.\w+)?|_[A-Z_]+)`", text))
    foreign = {"MultiThreadedExecutor", "CMakeLists.txt", "SetTarget"}
    assert len(quoted) > 30
    assert sorted(quoted - names_in_the_code() - foreign) == []


def test_the_drawing_of_the_architecture_shows_every_room() -> None:
    drawing = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("```")[1]
    rooms = [path.parent.name for package in PLACES[:2] for path in (ROOT / package).glob("*/__init__.py")]
    assert [room for room in rooms if f"{room}/" not in drawing] == []


@cache
def commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (item for item in cli._parser()._actions if item.dest == "command")
    assert isinstance(action.choices, dict)
    return action.choices


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_commands_and_their_options_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"siammaskpp(?:_core\.cli)? ([a-z-]+ ?[^\n`]*)", text):
        command, _, arguments = line.partition(" ")
        if command not in commands():
            continue
        options = re.findall(r"(?<![\w-])--[a-z][a-z-]*", arguments.partition("#")[0])
        known = commands()[command]._option_string_actions
        assert [option for option in options if option not in known] == [], line


@pytest.mark.parametrize("name", ["README.md", "docs/states.md"])
def test_the_example_in_python_runs(name: str) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.M | re.S)
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    images = [(image, 0), (image, 33_000_000)]
    values = {"image": image, "video": images, "images": images}
    exec(example, values)
    assert values["result"].mask.shape == image.shape[:2]
    assert values.get("target", values["result"]).is_seen


def test_the_readme_takes_ten_minutes() -> None:
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) <= 1500
