"""A node in its own process, with a client connected to it."""

from __future__ import annotations

from pathlib import Path

from ros_harness import Client, NodeProcess, interrupt_all

from siammaskpp.msg import TrackerStatus


class Node:
    """A node and its client; :meth:`close` sends Ctrl-C, which must end the node with exit code 0."""

    def __init__(
        self,
        command: list[str],
        domain_id: int,
        namespace: str = "",
        is_compressed: bool = False,
        fault_file: Path | None = None,
    ) -> None:
        self.process = NodeProcess(command, domain_id)
        self.client = Client(domain_id, namespace, is_compressed)
        self._fault_file = fault_file

    def set_fault(self, word: str) -> None:
        assert self._fault_file is not None
        self._fault_file.write_text(word, encoding="utf-8")

    def status(self, state: int, word: str = "") -> TrackerStatus:
        """Wait for a status with this state and this word in its message."""
        self.client.until(
            lambda: self.client.statuses[-1].state == state and word in self.client.statuses[-1].message,
            f"state {state} with {word!r}",
            timeout_s=30.0,
        )
        return self.client.statuses[-1]

    def close(self) -> None:
        self.client.close()
        interrupt_all([self.process])
