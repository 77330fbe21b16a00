"""Nodes of this package as child processes: of programs and of launch files."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_prefix

_STOP_TIMEOUT_S = 10.0


def installed(executable: str) -> list[str]:
    """Return the command that runs an installed executable of this package."""
    return [str(Path(get_package_prefix("siammaskpp")) / "lib" / "siammaskpp" / executable)]


def start(command: Sequence[str], namespace: str, **parameters: object) -> subprocess.Popen[bytes]:
    """Start a node in `namespace` with these parameters; return its process."""
    command = [*command, "--ros-args", "-r", f"__ns:={namespace}"]
    for name, value in parameters.items():
        # Quoted, so that ROS reads a file name such as 7 or true as a string.
        command += ["-p", f'{name}:="{value}"' if isinstance(value, str) else f"{name}:={value}"]
    return subprocess.Popen(command)


def stop(child: subprocess.Popen[bytes]) -> int:
    """Interrupt a process as Ctrl-C does, and kill it when it does not end; return its exit code."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
    try:
        return child.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def end_if_failed(event: Any, context: Any) -> None:
    """End the launch with exit code 1 when a process has failed; for `on_exit` of a launch_ros Node.

    `event` is a ProcessExited. `ros2 launch` ends with 0 whatever its processes return, even when all of them
    have failed; an error in the handler of an event is its only way to another exit code. It shuts the other
    processes down first.
    """
    if event.returncode and not context.is_shutdown:
        raise RuntimeError(
            f"{event.process_name} has failed with exit code {event.returncode}; its last lines above say why"
        )
