"""The installed node with the default weights: soon ready, small, and it follows a real texture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix
from ros_harness import Client, NodeProcess, ball, ball_box, decoded

from siammaskpp.msg import TrackedObject

pytestmark = pytest.mark.ros


@pytest.fixture
def process(domain_id: int) -> Iterator[NodeProcess]:
    executable = Path(get_package_prefix("siammaskpp")) / "lib" / "siammaskpp" / "tracker_node"
    process = NodeProcess([str(executable)], domain_id)
    yield process
    process.end()


def test_ready_within_five_seconds_and_follows(process: NodeProcess, client: Client) -> None:
    process.wait_for_text("Ready")
    # Nothing waits during the start, so on a machine that is free this is no less than the time it takes.
    assert process.cpu_s() < 5.0
    client.connect()
    client.track(ball((200, 240))[0])
    answer = client.set_target(ball_box((200, 240)))
    assert answer.success, answer.message
    overlaps = []
    for x in range(204, 300, 8):
        picture, truth = ball((x, 240))
        result = client.track(picture)
        assert result.objects[0].state != TrackedObject.LOST
        client.until(lambda h=result.header: client.masks and client.masks[-1].header == h, "the mask comes")
        mask = decoded(client.masks[-1]) > 0
        overlaps.append((mask & truth).sum() / (mask | truth).sum())
    assert min(overlaps) > 0.5, overlaps
    assert resident_mb(process.pid) < 500

    process.interrupt()
    assert process.wait() == 0, process.text


def resident_mb(pid: int) -> float:
    """The largest resident memory the process ever had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
