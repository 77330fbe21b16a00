"""The rooms of the house: imports point downwards only, also those inside functions and for type checking."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Lowest first. Rooms in one line do not import each other.
CORE = (
    ("siammaskpp_core.errors", "siammaskpp_core.arrays"),
    ("siammaskpp_core.outcome",),
    ("siammaskpp_core.config",),
    ("siammaskpp_core.arguments", "siammaskpp_core.io"),
    ("siammaskpp_core.network", "siammaskpp_core.web"),
    ("siammaskpp_core.tracking",),
    ("siammaskpp_core.model",),
    ("siammaskpp_core.pose",),
    ("siammaskpp_core.data", "siammaskpp_core.engines"),
    ("siammaskpp_core.training",),
    ("siammaskpp_core.evaluation",),
    ("siammaskpp_core.bench", "siammaskpp_core.offline"),
    ("siammaskpp_core.interactive",),
    ("siammaskpp_core.cli",),
    ("siammaskpp_core.__main__",),
)
ROS = (
    ("siammaskpp_ros.common",),
    ("siammaskpp_ros.pose",),
    ("siammaskpp_ros.tracker",),
    ("siammaskpp_ros.bench", "siammaskpp_ros.demo", "siammaskpp_ros.follow", "siammaskpp_ros.web"),
    ("tools",),
)
LAYERS = CORE[:-2] + ROS  # the core's commands stand beside ROS


def modules(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{item.name}" for item in node.names)


def room_of(module: str, layers: tuple[tuple[str, ...], ...]) -> tuple[int, str] | None:
    for level, rooms in enumerate(layers):
        for room in rooms:
            if module == room or module.startswith(f"{room}."):
                return level, room
    return None


@pytest.mark.parametrize(
    ("layers", "packages"),
    [(CORE, ("siammaskpp_core",)), (LAYERS, ("siammaskpp_core", "siammaskpp_ros", "tools"))],
)
def test_imports_point_downwards(layers, packages):
    wrong = set()
    for path in modules(*packages):
        own = room_of(name_of(path), layers)
        if own is None:
            continue
        for module in imported(path):
            other = room_of(module, layers)
            if other is not None and other[1] != own[1] and other[0] >= own[0]:
                wrong.add(f"{name_of(path)} imports {module}")
    assert sorted(wrong) == []


def test_every_module_has_its_place():
    """A module outside the rooms escapes the order; only the packages themselves may."""
    packages = {"siammaskpp_core", "siammaskpp_ros"}
    names = {name_of(path) for path in modules(*packages)}
    assert {name for name in names if room_of(name, CORE + ROS) is None} == packages


def test_the_core_knows_no_ros_and_nobody_the_commands():
    ros = {"rclpy", "sensor_msgs", "std_msgs", "cv_bridge", "message_filters", "siammaskpp", "siammaskpp_ros"}
    for path in modules("siammaskpp_core", "siammaskpp_ros", "tools"):
        name, used = name_of(path), set(imported(path))
        if name.startswith("siammaskpp_core"):
            assert not {module for module in used if module.partition(".")[0] in ros}, name
        if not name.startswith(("siammaskpp_core.cli", "siammaskpp_core.__main__")):
            assert not {module for module in used if module.startswith("siammaskpp_core.cli")}, name


def test_the_tracker_runs_without_what_it_does_not_need():
    """A robot has numpy, OpenCV and one runtime: heavy packages are imported where they are used."""
    heavy = {"torch", "torchvision", "onnx", "onnxruntime", "openvino", "tensorrt", "matplotlib", "rosbags"}
    for room in ("config", "io", "tracking", "pose", "model/folder", "engines/load", "engines/graph_engine"):
        paths = modules(f"siammaskpp_core/{room}") or [ROOT / f"siammaskpp_core/{room}.py"]
        for path in paths:
            if name_of(path) == "siammaskpp_core.io.bags":
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
            names = {
                (item.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
                for node in top
                for item in node.names
            }
            assert not names & heavy, path
