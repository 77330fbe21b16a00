"""Launch files: exit codes, and no process that is left behind.

launch is not on PyPI. Where it is missing, a stand-in of its classes shows what the files ask it to do; where
it is there, they are launched.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from siammaskpp_ros.common.processes import end_if_failed

LAUNCH = Path(__file__).parents[3] / "launch"
ROS2_LAUNCH = """
import sys
import launch
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = [tuple(argument.split(":=", 1)) for argument in sys.argv[2:]]
source = PythonLaunchDescriptionSource(sys.argv[1])
service = launch.LaunchService()
service.include_launch_description(
    launch.LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""

# What the files ask for ------------------------------------------------------------------------------


class Recorded:
    """A class of launch or launch_ros that keeps the arguments of its instances."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        self.positional, self.named = positional, named


class Configuration(Recorded):
    def perform(self, context: dict[str, str]) -> str:
        return context[self.positional[0]]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace launch and launch_ros by stand-ins; return the errors that are logged."""
    errors: list[str] = []
    names = {
        "launch": ("LaunchDescription", "LaunchContext"),
        "launch.actions": (
            "DeclareLaunchArgument",
            "OpaqueFunction",
            "IncludeLaunchDescription",
            "SetEnvironmentVariable",
            "Shutdown",
        ),
        "launch.events.process": ("ProcessExited",),
        "launch.launch_description_sources": ("PythonLaunchDescriptionSource",),
        "launch_ros.actions": ("Node",),
        "launch_ros.parameter_descriptions": ("ParameterValue",),
    }
    for module, classes in names.items():
        stand_in: Any = ModuleType(module)
        for name in classes:
            setattr(stand_in, name, type(name, (Recorded,), {}))
        monkeypatch.setitem(sys.modules, module, stand_in)
    substitutions: Any = ModuleType("launch.substitutions")
    substitutions.LaunchConfiguration = Configuration
    logging: Any = ModuleType("launch.logging")
    logging.get_logger = lambda _: SimpleNamespace(error=errors.append)
    monkeypatch.setitem(sys.modules, "launch.substitutions", substitutions)
    monkeypatch.setitem(sys.modules, "launch.logging", logging)
    return errors


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name.replace(".", "_"), LAUNCH / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tracker_nodes(**given: str) -> list[Any]:
    """Return the nodes of tracker.launch.py for some of its arguments."""
    *arguments, function = load("tracker.launch.py").generate_launch_description().positional[0]
    defaults = {item.positional[0]: item.named["default_value"] for item in arguments}
    assert set(given) <= set(defaults)
    nodes: list[Any] = function.named["function"]({**defaults, **given})
    return nodes


def is_installed(monkeypatch: pytest.MonkeyPatch, package: str, folder: Path) -> None:
    marker = folder / "share/ament_index/resource_index/packages" / package
    marker.parent.mkdir(parents=True)
    marker.touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join([str(folder), os.environ["AMENT_PREFIX_PATH"]]))


def test_without_rviz2_the_tracker_runs_alone(
    logged: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """launch raises an error for a Node of a missing package, and leaves processes that just start behind."""
    assert [item.named["executable"] for item in tracker_nodes(rviz="true")] == ["tracker_node"]
    assert len(logged) == 1
    assert "sudo apt install ros-$ROS_DISTRO-rviz2" in logged[0]
    is_installed(monkeypatch, "rviz2", tmp_path)
    assert [item.named["executable"] for item in tracker_nodes(rviz="true")] == ["tracker_node", "rviz2"]
    assert len(logged) == 1
    assert [item.named["executable"] for item in tracker_nodes()] == ["tracker_node"]


def test_every_node_that_fails_ends_the_launch(logged: list[str]) -> None:
    (tracker,) = tracker_nodes()
    nodes = [tracker]
    for name in ("demo.launch.py", "follow_demo.launch.py"):
        entities = load(name).generate_launch_description().positional[0]
        nodes += [item for item in entities if type(item).__name__ == "Node"]
    assert len(nodes) == 5
    for node in nodes:
        on_exit = node.named["on_exit"]
        for code in (1, -6, -9):
            with pytest.raises(RuntimeError, match=f"exit code {code}; its last lines"):
                on_exit(*exited(code))
            on_exit(*exited(code, is_shutdown=True))
        on_exit(*exited(0))
    (tracker,) = tracker_nodes(required="false")
    assert tracker.named["on_exit"] is None
    assert logged == []


def exited(code: int, is_shutdown: bool = False) -> tuple[Any, Any]:
    event = SimpleNamespace(returncode=code, process_name="tracker_node-1")
    return event, SimpleNamespace(is_shutdown=is_shutdown)


def test_the_message_names_process_and_exit_code() -> None:
    with pytest.raises(RuntimeError, match="tracker_node-1 has failed with exit code 1"):
        end_if_failed(*exited(1))


# What launch does ------------------------------------------------------------------------------------


@pytest.mark.ros
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("tracker.launch.py", "model:=/none"), 1),
        (("tracker.launch.py", "model:=/none", "rviz:=true"), 1),
        (("tracker.launch.py", "model:=/none", "required:=false"), 0),
        (("demo.launch.py", "video:=/none"), 1),
        (("demo.launch.py", "model:=/none", "video:=/none"), 1),
        (("follow_demo.launch.py", "engine:=abacus"), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_exit_code_of_ros2_launch(arguments: tuple[str, ...], code: int, domain_id: int) -> None:
    pytest.importorskip("launch", reason="launch is not on PyPI; it comes with ROS 2")
    pytest.importorskip("launch_ros", reason="launch_ros is not on PyPI; it comes with ROS 2")
    mark = f"LAUNCH_TEST={uuid.uuid4()}"
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain_id), "LAUNCH_TEST": mark.partition("=")[2]}
    command = [sys.executable, "-c", ROS2_LAUNCH, str(LAUNCH / arguments[0]), *arguments[1:]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
    assert done.returncode == code, done.stdout + done.stderr
    time.sleep(0.5)
    assert left_behind(mark) == []


def left_behind(mark: str) -> list[str]:
    """Return the command lines of the processes whose environment has `mark`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended, or is another user's
    return found
