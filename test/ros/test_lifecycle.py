"""Lifecycle: nothing is published unless active, targets outlive a pause, cleanup forgets them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_harness import FAKE_NODE, Client, NodeProcess, scene

from siammaskpp.msg import TrackerStatus

pytestmark = pytest.mark.ros


@pytest.fixture(autouse=True)
def _node(domain_id: int) -> Iterator[None]:
    arguments = ["--ros-args", "-p", "autostart:=false"]
    process = NodeProcess([*FAKE_NODE, "0.0", *arguments], domain_id)
    yield
    process.interrupt()
    try:
        assert process.wait() == 0, process.text
    finally:
        process.end()


def change(client: Client, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(client.call(ChangeState, "tracker_node/change_state", request).success)


def test_pause_keeps_targets_and_cleanup_forgets_them(client: Client) -> None:
    client.until(lambda: client.statuses, "status also comes from an unconfigured node")
    assert client.statuses[-1].state == TrackerStatus.INACTIVE
    assert "not active" in client.set_target((1, 1, 5, 5)).message

    assert change(client, Transition.TRANSITION_CONFIGURE)
    assert "not active" in client.set_target((1, 1, 5, 5)).message
    assert not client.set_parameters(threads=2).successful
    assert change(client, Transition.TRANSITION_ACTIVATE)
    client.connect()
    client.track(scene())
    assert client.set_target((100, 50, 40, 30)).success
    assert len(client.track(scene()).objects) == 1

    assert change(client, Transition.TRANSITION_DEACTIVATE)
    results = len(client.objects)
    client.send(scene())
    client.spin(0.5)
    assert len(client.objects) == results
    assert change(client, Transition.TRANSITION_ACTIVATE)
    assert len(client.track(scene(x=120)).objects) == 1

    assert change(client, Transition.TRANSITION_DEACTIVATE)
    assert change(client, Transition.TRANSITION_CLEANUP)
    assert client.set_parameters(threads=2).successful
    assert change(client, Transition.TRANSITION_CONFIGURE)
    assert change(client, Transition.TRANSITION_ACTIVATE)
    assert client.track(scene()).objects == []
