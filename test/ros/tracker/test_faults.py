"""Engines that fail, and requests that cannot be met.

The node keeps running, reports the problem, keeps its target, and works once the cause is gone. Every test
leaves the node in a working state, so that all tests share one process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from node_under_test import Node
from ros_harness import ball, ball_box

from siammaskpp.msg import Box, TrackedObject, TrackerStatus
from siammaskpp.srv import SetTarget

pytestmark = pytest.mark.ros

HERE = Path(__file__).parents[1]
BALL = (220, 240)
NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture(scope="module")
def faulty(module_domain_id: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    file = tmp_path_factory.mktemp("fault") / "fault"
    file.write_text("none", encoding="utf-8")
    command = [sys.executable, str(HERE / "faulty_node.py"), str(file)]
    node = Node(command, module_domain_id, fault_file=file)
    node.process.wait_for_text("Ready")  # it fails at once if the node ends
    node.client.connect()
    yield node
    node.close()


@pytest.fixture
def engine(faulty: Node) -> Iterator[Node]:
    """The node with the ball as its only target, which the newest image shows."""
    faulty.client.remove_target()
    faulty.client.track(ball(BALL)[0])
    answer = faulty.client.set_target(ball_box(BALL))
    assert answer.success, answer.message
    sees_the_ball(faulty)
    yield faulty
    faulty.set_fault("none")
    sees_the_ball(faulty)


def sees_the_ball(node: Node) -> None:
    (item,) = node.client.track(ball(BALL)[0]).objects
    assert (item.id, item.state) == ("target", TrackedObject.TRACKING)
    assert (item.box.x + item.box.width / 2, item.box.y + item.box.height / 2) == pytest.approx(BALL, abs=20)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise", "RuntimeError: an illegal memory access"),
        ("out_of_memory", "MemoryError: cannot allocate 512 MB"),
        ("nan", "not finite"),  # NVIDIA-AI-IOT/nanosam#9
        ("wrong_shape", "ValueError"),
    ],
)
def test_an_engine_that_fails_is_named_with_a_remedy(engine: Node, fault: str, reason: str) -> None:
    failed = engine.client.statuses[-1].frames_failed
    engine.set_fault(fault)
    results = len(engine.client.objects)
    engine.client.send(ball(BALL)[0])
    status = engine.status(TrackerStatus.ERROR, reason)
    assert "restart the node or choose another engine" in status.message
    assert status.frames_failed > failed
    assert status.targets == 1
    assert len(engine.client.objects) == results, "no result is better than a wrong one"
    assert reason in engine.process.text
    engine.set_fault("none")
    sees_the_ball(engine)
    engine.status(TrackerStatus.TRACKING)


def test_a_target_whose_answer_is_not_finite_does_not_block_the_others(engine: Node) -> None:
    assert engine.client.set_target(ball_box((480, 120)), id="wall").success
    engine.client.track(ball(BALL)[0])
    engine.set_fault("nan_for_the_newest_target")
    for _ in range(3):
        kept, broken = engine.client.track(ball(BALL)[0]).objects
        assert (kept.id, kept.state, kept.mask_value) == ("target", TrackedObject.TRACKING, 1)
        assert kept.box.x + kept.box.width / 2 == pytest.approx(BALL[0], abs=20)
        assert (broken.id, broken.state, broken.mask_value) == ("wall", TrackedObject.UNCERTAIN, 0)
        assert broken.score == 0.0
    status = engine.status(TrackerStatus.ERROR, "target 'wall': FloatingPointError")
    assert "set it again" in status.message
    assert "the tracker failed for a target" in engine.process.text
    engine.set_fault("none")
    assert [item.id for item in engine.client.track(ball(BALL)[0]).objects] == ["target", "wall"]
    engine.status(TrackerStatus.TRACKING)
    assert engine.client.remove_target("wall").success


def test_an_engine_that_hangs_is_seen_and_requests_are_still_answered(engine: Node) -> None:
    engine.set_fault("hang")
    for _ in range(3):
        engine.client.send(ball(BALL)[0])
        engine.client.spin(0.05)
    engine.status(TrackerStatus.ERROR, "its engine hangs")
    answer = engine.client.set_target(ball_box(BALL), id="another")
    assert not answer.success
    assert "restart the node" in answer.message
    assert list(engine.client.remove_target("nobody").remaining) == ["target"]


def test_two_requests_for_one_target_during_an_inference(engine: Node) -> None:
    engine.set_fault("slow")
    engine.client.send(ball(BALL)[0])
    engine.client.spin(0.2)
    service = engine.client.node.create_client(SetTarget, "tracker_node/set_target")
    engine.client.until(service.service_is_ready, "the service is there")
    x, y, width, height = map(float, ball_box(BALL))
    boxes = [Box(x=x, y=y, width=width, height=height), Box(x=10.0, y=10.0, width=40.0, height=40.0)]
    futures = [
        service.call_async(SetTarget.Request(id="target", box=box)) for box in (*boxes[::-1], boxes[0])
    ]
    engine.client.until(lambda: all(future.done() for future in futures), "all are answered", 20.0)
    assert [future.result().success for future in futures] == [True] * 3
    engine.client.node.destroy_client(service)


def test_slow_inference_gives_new_results_not_more_lag(engine: Node) -> None:
    """opendr-eu/opendr#275, mgonzs13/yolo_ros#61: every image waits for all images before it."""
    engine.set_fault("slow")
    dropped = engine.client.statuses[-1].frames_dropped
    for _ in range(40):
        header = engine.client.send(ball(BALL)[0])
        engine.client.spin(0.05)
    engine.client.until(
        lambda: engine.client.objects and engine.client.objects[-1].header == header,
        "the newest image's result",
        3.0,
    )
    engine.client.until(lambda: engine.client.statuses[-1].frames_dropped >= dropped + 20, "they are counted")


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((700, 10, 50, 50), "outside the 640x480 image"),
        ((-60, -60, 50, 50), "outside the 640x480 image"),
        ((100, 100, 0, 50), "must be positive"),
        ((100, 100, 50, -5), "must be positive"),
        ((NAN, 100, 50, 50), "not finite"),
        ((100, 100, INFINITY, 50), "not finite"),
        ((100, 100, 1, 1), "less than 2x2 pixels"),
    ],
)
def test_boxes_that_cannot_be_tracked_are_refused(engine: Node, box: tuple[float, ...], reason: str) -> None:
    for id in ("target", "another"):
        answer = engine.client.set_target(box, id=id)
        assert not answer.success
        assert reason in answer.message
    assert len(engine.client.track(ball(BALL)[0]).objects) == 1


@pytest.mark.parametrize(
    "box", [(0, 0, 640, 480), (300, 200, 3, 3), (-20, 440, 80, 80), (-1e6, -1e6, 2e6, 2e6)]
)
def test_boxes_of_every_size_are_tracked_beside_the_others(engine: Node, box: tuple[float, ...]) -> None:
    answer = engine.client.set_target(box, id="odd")
    assert answer.success, answer.message
    for _ in range(3):
        kept, odd = engine.client.track(ball(BALL)[0]).objects
    assert (kept.id, kept.state, odd.id) == ("target", TrackedObject.TRACKING, "odd")
    assert np.isfinite([odd.score, odd.box.x, odd.box.y, odd.box.width, odd.box.height]).all()
    assert engine.client.remove_target("odd").success


def test_two_targets_do_not_share_what_they_look_like(engine: Node) -> None:
    """foolwood/SiamMask#194: the template was kept in the network, and both returned the same box."""
    wall = (480, 120)
    alone = engine.client.track(ball(BALL)[0]).objects[0]
    assert engine.client.set_target(ball_box(wall), id="wall").success
    both = engine.client.track(ball(BALL)[0]).objects
    assert both[0].box.x == pytest.approx(alone.box.x, abs=2)
    assert abs(both[1].box.x - both[0].box.x) > 100
    assert engine.client.remove_target("wall").success
