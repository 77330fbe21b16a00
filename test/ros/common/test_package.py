"""The files of the package agree with each other."""

from __future__ import annotations

import ast
import re
import runpy
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
# Module -> rosdep key, where they differ.
KEYS = {
    "aiohttp": "python3-aiohttp",
    "cv2": "python3-opencv",
    "numpy": "python3-numpy",
    "tf2_ros": "tf2_ros_py",
    "yaml": "python3-yaml",
}


def imported(folder: str) -> set[str]:
    """Return the top-level modules that any file below `folder` imports, also within functions."""
    names: set[str] = set()
    for path in [*(ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.split(".")[0])
    return names


def test_no_node_needs_several_executor_threads() -> None:
    """rclpy's MultiThreadedExecutor requeues tasks until others starve (ros2/rclpy#1223, #1452)."""
    for path in (ROOT / "siammaskpp_ros").rglob("*.py"):
        assert "MultiThreadedExecutor" not in path.read_text(encoding="utf-8"), path


def test_package_xml_names_what_the_nodes_import() -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    named = {item.text for item in package if item.tag.endswith("depend")}
    own = {"siammaskpp", "siammaskpp_core", "siammaskpp_ros"}
    used = (imported("siammaskpp_ros") | imported("launch")) - own - set(sys.stdlib_module_names)
    rcl_parts = {"rcl_interfaces"}  # comes with rclpy
    assert {KEYS.get(name, name) for name in used} - rcl_parts <= named


def test_every_interface_is_built() -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    files = {f"{path.parent.name}/{path.name}" for kind in ("msg", "srv") for path in (ROOT / kind).iterdir()}
    assert set(re.findall(r"(?:msg|srv)/\w+\.(?:msg|srv)", cmake)) == files
    scripts = {f"scripts/{path.name}" for path in (ROOT / "scripts").iterdir()}
    assert set(re.findall(r"scripts/\w+", cmake)) == scripts


def test_one_version_everywhere() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"', pyproject, re.MULTILINE)
    assert version is not None
    assert ElementTree.parse(ROOT / "package.xml").getroot().findtext("version") == version[1]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version[1]
    changelog = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    assert f"\n{version[1]} ({citation['date-released']})\n" in changelog


@pytest.mark.filterwarnings("ignore")  # setuptools' own deprecations
@pytest.mark.parametrize("version", ["59.6.0", "61.0.0"])
def test_setup_py_says_what_pyproject_says(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for the setuptools of Ubuntu 22.04 (59.6.0), which does not read pyproject.toml by itself."""
    setuptools = pytest.importorskip("setuptools", minversion="77")
    pytest.importorskip("pip._vendor.tomli")
    monkeypatch.chdir(ROOT)
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(setuptools, "__version__", version)
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: calls.append(arguments))
    runpy.run_path("setup.py")
    (arguments,) = calls
    built_in = arguments.pop("options")["build"]["build_base"]
    assert ROOT not in Path(built_in).resolve().parents
    if version == "61.0.0":
        assert arguments == {}
        return
    ours, expected = setuptools.Distribution(arguments), setuptools.Distribution()
    expected.parse_config_files(["pyproject.toml"])
    for name in ("name", "version", "description", "long_description", "classifiers"):
        assert getattr(ours.metadata, name) == getattr(expected.metadata, name), name
    assert ours.metadata.license == expected.metadata.license_expression
    assert str(ours.python_requires) == str(expected.python_requires)
    assert {str(item) for item in ours.install_requires} == {str(item) for item in expected.install_requires}
    assert set(ours.extras_require) == set(expected.extras_require)
    for name in ("entry_points", "package_data"):
        assert getattr(ours, name) == getattr(expected, name), name
    for name in ("packages", "data_files"):
        assert sorted(getattr(ours, name)) == sorted(getattr(expected, name)), name


def test_launch_files_can_be_read() -> None:
    launch = pytest.importorskip("launch", reason="launch is not on PyPI; it comes with ROS 2")
    pytest.importorskip("launch_ros", reason="launch_ros is not on PyPI; it comes with ROS 2")
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    for name in ("tracker.launch.py", "demo.launch.py", "follow_demo.launch.py"):
        source = PythonLaunchDescriptionSource(str(ROOT / "launch" / name))
        description = source.get_launch_description(launch.LaunchContext())
        arguments = {item.name: item for item in description.get_launch_arguments()}
        assert all(item.description for item in arguments.values())
        assert arguments
