"""Start and stop nodes of this package as child processes."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

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
