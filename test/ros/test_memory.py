"""The node's memory does not grow with the number of images."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ros_harness import FAKE_NODE, Client, NodeProcess, scene

pytestmark = pytest.mark.ros

FRAMES = 10_000
# Until the times of the last images and the memory of images (1 MB) are full.
WARM_UP_FRAMES = 1500
# 300 bytes an image: one forgotten header.
MOST_MB = 3.0


@pytest.fixture
def process(domain_id: int) -> Iterator[NodeProcess]:
    process = NodeProcess([*FAKE_NODE, "0.0", "--ros-args", "-p", "frame_memory_mb:=1"], domain_id)
    yield process
    process.end()


@pytest.mark.slow
def test_memory_is_flat_over_ten_thousand_images(process: NodeProcess, client: Client) -> None:
    picture = scene(x=20, y=20, size=(96, 72))
    client.connect()
    client.track(picture)
    assert client.set_target((20, 20, 40, 30)).success
    client.track_many(picture, WARM_UP_FRAMES)
    before_mb = process.resident_mb()
    client.track_many(picture, FRAMES)
    assert client.objects[0].objects[0].mask_value == 1
    assert process.resident_mb() - before_mb < MOST_MB
    client.until(lambda: client.statuses[-1].frames_tracked > FRAMES, "all were tracked")
