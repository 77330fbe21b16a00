"""What the launch files share: a failed node ends the launch with an exit code that tells it."""

from __future__ import annotations

from typing import Any


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
