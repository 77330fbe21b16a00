"""Twenty thousand images at full speed while targets come and go: nothing grows, nothing gets stuck."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from ros_harness import FAKE_NODE, Client, NodeProcess, opened, scene

from siammaskpp.msg import Box, TrackedObject
from siammaskpp.srv import RemoveTarget, SetTarget
from siammaskpp_ros.common.conversions import to_image

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(600)]

IMAGES = int(os.environ.get("SIAMMASKPP_SOAK_IMAGES", 20_000))
# After this many images the statistics and the frame buffer (1 MB) are full.
WARM_UP_IMAGES = 3000
REQUEST_EVERY = 20
# 150 bytes for each image, which is less than a header that is never freed.
MOST_MB = 3.0


@pytest.fixture
def process(domain_id: int) -> Iterator[NodeProcess]:
    process = NodeProcess([*FAKE_NODE, "0.0", "--ros-args", "-p", "frame_buffer_mb:=1"], domain_id)
    yield process
    process.end()


class Operator:
    """Sends images at full speed, and sometimes a request without waiting for the answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._message = to_image(scene(x=20, y=20, size=(96, 72)), "bgr8", client.header())
        self._set = client.node.create_client(SetTarget, "tracker_node/set_target")
        self._remove = client.node.create_client(RemoveTarget, "tracker_node/remove_target")
        self._ids = itertools.cycle(["a", "b", "c", "d"])
        self.answers: list[SetTarget.Response | RemoveTarget.Response] = []

    def work(self, images: int) -> None:
        for index in range(images):
            self._client.send(self._message)
            if index % REQUEST_EVERY == 0:
                box = Box(x=20.0, y=20.0, width=40.0, height=30.0)
                self._keep(self._set.call_async(SetTarget.Request(id=next(self._ids), box=box)))
            elif index % REQUEST_EVERY == REQUEST_EVERY // 2 and index % 60 == 10:
                self._keep(self._remove.call_async(RemoveTarget.Request(id=next(self._ids))))
            self._client.spin(0.0005)
            if len(self._client.objects) > 100:
                self._client.objects.clear()
                self._client.masks.clear()

    def _keep(self, future) -> None:
        future.add_done_callback(lambda done: self.answers.append(done.result()))


def test_nothing_grows_and_nothing_gets_stuck(process: NodeProcess, client: Client) -> None:
    """facebookresearch/sam2#258: memory that grows with time."""
    client.connect()
    operator = Operator(client)
    operator.work(WARM_UP_IMAGES)
    before_mb, before = process.resident_mb(), opened(process.pid)
    operator.work(IMAGES - WARM_UP_IMAGES)
    grown_mb = process.resident_mb() - before_mb
    status = client.statuses[-1]
    print(f"{status.frames_received} images, {len(operator.answers)} answers, {grown_mb:+.2f} MB")

    assert grown_mb < MOST_MB
    assert opened(process.pid) == before
    assert len(operator.answers) > 0.9 * IMAGES / REQUEST_EVERY
    assert sum(answer.success for answer in operator.answers) > 0.5 * len(operator.answers)
    # Each queue holds one image; the other images are lost there or dropped by the node.
    assert status.frames_tracked > IMAGES / 4
    assert status.frames_failed == 0
    client.remove_target()
    client.track(scene())
    assert client.set_target((100, 50, 40, 30)).success
    assert client.track(scene(x=120)).objects[0].state == TrackedObject.TRACKING
