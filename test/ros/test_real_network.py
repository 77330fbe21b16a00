"""The installed node with the default weights: soon ready, small, and it follows a real texture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from ament_index_python.packages import get_package_prefix
from numpy.typing import NDArray
from ros_harness import Client, NodeProcess, decoded

from siammaskpp.msg import TrackedObject

pytestmark = pytest.mark.ros

SIZE = (640, 480)
BALL_PX = 90


@pytest.fixture
def process(domain_id: int) -> Iterator[NodeProcess]:
    executable = Path(get_package_prefix("siammaskpp")) / "lib" / "siammaskpp" / "tracker_node"
    process = NodeProcess([str(executable)], domain_id)
    yield process
    process.end()


@pytest.fixture
def client(domain_id: int) -> Iterator[Client]:
    client = Client(domain_id)
    yield client
    client.close()


def ball(center: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A striped orange ball before a blurred grey wall, and its mask."""
    rng = np.random.default_rng(1)
    wall = cv2.GaussianBlur(rng.integers(60, 200, (SIZE[1], SIZE[0], 3), dtype=np.uint8), (0, 0), 9)
    mask = np.zeros(SIZE[::-1], np.uint8)
    cv2.circle(mask, center, BALL_PX // 2, 255, -1)
    skin = wall.copy()
    cv2.circle(skin, center, BALL_PX // 2, (30, 120, 240), -1)
    cv2.line(skin, (center[0] - 45, center[1]), (center[0] + 45, center[1]), (20, 20, 60), 7)
    cv2.ellipse(skin, center, (18, 45), 0, 0, 360, (20, 20, 60), 5)
    picture = np.where(mask[:, :, None] > 0, skin, wall)
    return cv2.GaussianBlur(picture, (0, 0), 1.2), mask > 0


def test_ready_within_five_seconds_and_follows(process: NodeProcess, client: Client) -> None:
    process.wait_for_text("Ready")
    assert time.monotonic() - process.started_s < 5.0
    client.connect()
    client.track(ball((200, 240))[0])
    half = BALL_PX / 2
    answer = client.set_target((200 - half, 240 - half, BALL_PX, BALL_PX))
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
