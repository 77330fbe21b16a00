"""Lifecycle: only an active node publishes, deactivation keeps the targets, cleanup removes them."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator

import pytest
import rclpy
from fake_tracker import FakeTracker
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.context import Context
from rclpy.lifecycle import TransitionCallbackReturn
from ros_harness import FAKE_NODE, Client, NodeProcess, interrupt_all, opened, scene

from siammaskpp.msg import TrackerStatus
from siammaskpp_ros.tracker.node import TrackerNode

pytestmark = pytest.mark.ros


UP = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
DOWN = (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)
# Transitions are faster than the middleware frees its memory.
MOST_MB = 4.0


@pytest.fixture
def process(domain_id: int) -> Iterator[NodeProcess]:
    arguments = ["--ros-args", "-p", "autostart:=false"]
    process = NodeProcess([*FAKE_NODE, "0.0", *arguments], domain_id)
    yield process
    interrupt_all([process])


def change(client: Client, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(client.call(ChangeState, "tracker_node/change_state", request).success)


@pytest.mark.usefixtures("process")
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


def test_transitions_that_are_not_possible_are_answered_with_false(
    process: NodeProcess, client: Client
) -> None:
    def asked(transition: int, label: str = "") -> bool:
        request = ChangeState.Request(transition=Transition(id=transition, label=label))
        return bool(client.call(ChangeState, "tracker_node/change_state", request).success)

    assert not asked(Transition.TRANSITION_ACTIVATE)
    assert not asked(Transition.TRANSITION_DEACTIVATE)
    assert all(asked(transition) for transition in UP)
    client.connect()
    for transition in (
        *UP,
        Transition.TRANSITION_CLEANUP,
        99,
        255,
        Transition.TRANSITION_ON_CONFIGURE_SUCCESS,
    ):
        assert not asked(transition), transition
    assert not asked(0, label="configure")
    assert not asked(0, label="no such transition")
    assert process.is_running()
    assert client.track(scene()).objects == []
    assert "is not possible now" in process.text


@pytest.fixture
def node(domain_id: int) -> Iterator[TrackerNode]:
    context = Context()
    rclpy.init(context=context, domain_id=domain_id)
    node = TrackerNode(lambda *_: FakeTracker(), context=context)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_a_failed_activation_can_be_repeated(node: TrackerNode) -> None:
    """The pose thread hangs, as when a library does not return."""
    success, failure = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
    assert (node.trigger_configure(), node.trigger_activate()) == (success, success)
    released, works = threading.Event(), threading.Event()
    poses = node._pipeline.poses
    poses._worker._work = lambda _: (works.set(), released.wait(60))
    poses._worker.put((None, None))
    assert works.wait(10)
    assert node.trigger_deactivate() == success
    for _ in range(2):
        assert node.trigger_activate() == failure
        assert "has not ended" in node._reporter.fault
    assert node._input is None
    released.set()
    time.sleep(0.2)
    assert node.trigger_activate() == success
    assert node.trigger_deactivate() == success
    assert node.trigger_cleanup() == success


@pytest.mark.parametrize("part", ["ImageInput", "SelectionInputs", "image_topic"])
def test_an_activation_that_raises_an_error_can_be_repeated(
    node: TrackerNode, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of file descriptors")

    with monkeypatch.context() as patched:
        patched.setattr(f"siammaskpp_ros.tracker.node.{part}", fail)
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert "out of file descriptors" in node._reporter.fault
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS


def test_fifty_times_up_and_down_leaves_nothing_behind(process: NodeProcess, client: Client) -> None:
    service = client.node.create_client(ChangeState, "tracker_node/change_state")
    client.until(service.service_is_ready, "the service is there")

    def go(transitions: tuple[int, ...]) -> None:
        for transition in transitions:
            future = service.call_async(ChangeState.Request(transition=Transition(id=transition)))
            client.until(future.done, f"transition {transition} is answered")
            assert future.result().success

    held: list[tuple[float, int, int]] = []
    for turn in range(50):
        go(UP)
        if turn % 10 == 0:  # some have images and a target
            client.connect()
            client.track(scene())
            assert client.set_target((100, 50, 40, 30)).success
            assert len(client.track(scene()).objects) == 1
        go(DOWN)
        held.append((process.resident_mb(), *opened(process.pid)))
    print(f"{held[9]} after 10 turns, {held[-1]} after 50")
    assert held[-1][0] - held[9][0] < MOST_MB
    assert held[-1][1:] == held[9][1:]


def test_cleanup_frees_the_network(domain_id: int) -> None:
    """facebookresearch/sam2#196: memory was freed late, or never."""
    trackers: list[weakref.ref[FakeTracker]] = []

    def load(*_: object) -> FakeTracker:
        tracker = FakeTracker()
        trackers.append(weakref.ref(tracker))
        return tracker

    context = Context()
    rclpy.init(context=context, domain_id=domain_id)
    node = TrackerNode(load, context=context)
    try:
        for _ in range(2):
            assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
            assert trackers[-1]() is not None
            assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
            assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
            assert trackers[-1]() is None
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)


@pytest.mark.parametrize("up", [(), UP])
def test_a_shutdown_by_request_ends_the_process(domain_id: int, client: Client, up: tuple[int, ...]) -> None:
    process = NodeProcess([*FAKE_NODE, "0.0", "--ros-args", "-p", "autostart:=false"], domain_id)
    try:
        for transition in up:
            assert change(client, transition)
        shutdown = {
            (): Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
            UP: Transition.TRANSITION_ACTIVE_SHUTDOWN,
        }
        assert change(client, shutdown[up])
        assert process.wait(10.0) == 0, process.text
        assert "the process ends" in process.text
        assert "Traceback" not in process.text
    finally:
        process.end()


def test_two_nodes_of_one_name_say_so(process: NodeProcess, domain_id: int) -> None:
    other = NodeProcess([*FAKE_NODE, "0.0"], domain_id)
    try:
        process.wait_for_text("1 other node(s) have the name /tracker_node")
        other.wait_for_text("start each with another name or namespace")
    finally:
        interrupt_all([other])
