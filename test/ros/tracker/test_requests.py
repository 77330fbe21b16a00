"""Boxes, clicks and detections that become targets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from fake_tracker import FakeTracker
from geometry_msgs.msg import Point
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.context import Context
from rclpy.publisher import Publisher
from ros_harness import FAKE_NODE, GREEN, RED, Client, NodeProcess, scene
from std_msgs.msg import Header

from siammaskpp.msg import Box, TargetBox, TrackedObject
from siammaskpp.srv import RemoveTarget, SetTarget
from siammaskpp_core.tracking import LongTermConfig, State
from siammaskpp_ros.common.conversions import to_image
from siammaskpp_ros.common.frame_buffer import Frame, FrameBuffer
from siammaskpp_ros.tracker.parameters import NodeConfig
from siammaskpp_ros.tracker.publishers import objects_of
from siammaskpp_ros.tracker.requests import RequestQueue, SelectionInputs, TargetServices
from siammaskpp_ros.tracker.selection import Refusal, Selector, best_detection
from siammaskpp_ros.tracker.targets import TargetStore

CONFIG = NodeConfig(
    detection_class="person", detection_min_score=0.4, tracking=LongTermConfig(lost_after_frames=1)
)


class Room:
    """A selector with its targets and images; the image with index i has the stamp i s."""

    def __init__(self, tracker: FakeTracker | None = None, config: NodeConfig = CONFIG) -> None:
        self.frames = FrameBuffer(max_age_s=100.0, max_bytes=10**9)
        self.targets = TargetStore(tracker or FakeTracker(), self.frames)
        self.selector = Selector(self.targets, self.frames, lambda: "no camera", lambda: config)
        self._config = config
        self._index = 0

    def set_box(self, request: SetTarget.Request | TargetBox) -> tuple[str, Frame]:
        return self.selector.set_box(request, self.selector.frame_of(request))

    def take_detection(self, message: SimpleNamespace) -> tuple[str, Frame] | None:
        return self.selector.take_detection(message, self.selector.frame_of(message))

    def show(self, picture: np.ndarray) -> dict[str, tuple[State, float]]:
        self._index += 1
        message = to_image(picture, "bgr8", Header(stamp=Time(sec=self._index)))
        frame = Frame(message, self._index, float(self._index))
        self.frames.add(frame)
        seen = self.targets.step(frame, picture, self._config.tracking)
        return {item.id: (item.state, item.result.box_xywh[0]) for item in seen}


def box(x: float = 100.0, y: float = 50.0) -> Box:
    return Box(x=x, y=y, width=40.0, height=30.0)


def detections(*items: tuple[str, float, tuple[float, ...]], stamp: int = 0) -> SimpleNamespace:
    """Return a Detection2DArray of (class, score, (centre x, centre y, width, height[, theta]))."""
    result = SimpleNamespace(header=Header(stamp=Time(sec=stamp)), detections=[])
    for class_id, score, (x, y, width, height, *theta) in items:
        center = SimpleNamespace(position=SimpleNamespace(x=x, y=y), theta=theta[0] if theta else 0.0)
        hypothesis = SimpleNamespace(hypothesis=SimpleNamespace(class_id=class_id, score=score))
        bbox = SimpleNamespace(center=center, size_x=width, size_y=height)
        result.detections.append(SimpleNamespace(results=[hypothesis], bbox=bbox))
    return result


@pytest.mark.parametrize("kind", [SetTarget.Request, TargetBox])
def test_a_service_and_a_topic_ask_the_same_way(kind: type) -> None:
    room = Room()
    with pytest.raises(Refusal, match="no camera"):
        room.set_box(kind(box=box()))
    room.show(scene(x=20))
    room.show(scene())
    id, frame = room.set_box(kind(id="cup", label="red", box=box()))
    assert (id, frame.index) == ("cup", 2)
    old = kind(box=box(x=20.0), header=Header(stamp=Time(sec=1)))
    assert room.set_box(old)[1].index == 1
    assert room.targets.ids() == ["cup", "target"]
    with pytest.raises(Refusal, match="empty"):
        room.set_box(kind(id="cup", box=Box()))
    assert room.show(scene(x=110)) == {"cup": (State.TRACKING, 110), "target": (State.TRACKING, 110)}


def test_a_box_over_the_border_is_cut_to_the_image() -> None:
    """As people draw boxes of objects at the border, and detectors report them."""
    room = Room()
    room.show(scene(x=0))
    assert room.set_box(TargetBox(box=Box(x=-20.5, y=50.0, width=60.5, height=30.0)))[0] == "target"
    assert room.show(scene(x=10)) == {"target": (State.TRACKING, 10)}
    with pytest.raises(Refusal, match="outside the"):
        room.set_box(TargetBox(box=Box(x=-80.0, y=50.0, width=60.0, height=30.0)))


def test_a_click_takes_the_object_under_it() -> None:
    room = Room()
    room.show(scene())
    frame = room.selector.newest()
    assert room.selector.click((120.0, 60.0), frame)[0] == "target"
    assert room.show(scene(x=130)) == {"target": (State.TRACKING, 130)}
    with pytest.raises(Refusal, match="outside"):
        room.selector.click((500.0, 60.0), frame)
    assert room.targets.ids() == ["target"]


def test_a_box_without_a_size_is_a_point() -> None:
    room = Room()
    room.show(scene())
    assert room.set_box(SetTarget.Request(id="a", label="red", box=Box(x=120.0, y=60.0)))[0] == "a"
    assert room.show(scene(x=130)) == {"a": (State.TRACKING, 130)}
    with pytest.raises(Refusal, match="outside"):
        room.set_box(TargetBox(box=Box(x=500.0, y=60.0)))


def test_a_failing_engine_refuses_a_click() -> None:
    class Failing(FakeTracker):
        def try_boxes(self, image, boxes_xywh):
            raise RuntimeError("out of memory")

    room = Room(Failing())
    room.show(scene())
    with pytest.raises(Refusal, match="the tracker failed on this image: RuntimeError: out of memory"):
        room.selector.click((120.0, 60.0), room.selector.newest())
    assert room.targets.ids() == []


PERSON, CAR = ("person", 0.8, (120, 65, 40, 30)), ("car", 0.9, (20, 20, 10, 10))


@pytest.mark.parametrize(
    ("items", "wanted", "expected"),
    [
        ([], "", None),
        ([PERSON, CAR], "", ("car", 0.9)),
        ([PERSON, CAR], "person", ("person", 0.8)),
        ([PERSON, CAR], "dog", None),
        ([("person", 0.39, (1, 2, 3, 4))], "person", None),
        ([("person", 0.4, (1, 2, 3, 4))], "person", ("person", 0.4)),
        ([("person", float("nan"), (1, 2, 3, 4))], "person", None),
    ],
)
def test_the_best_detection_of_a_class(items, wanted, expected) -> None:
    best = best_detection(detections(*items), wanted, 0.4)
    assert (best and (best.class_id, best.score)) == expected


def test_turned_detections_are_enclosed() -> None:
    best = best_detection(detections(("a", 1.0, (100, 50, 40, 20, np.pi / 2))), "", 0.0)
    assert best is not None
    assert best.box_xywh == pytest.approx((90, 30, 20, 40))


@pytest.mark.parametrize("angle", [float("nan"), float("inf"), -float("inf")])
def test_a_detection_with_an_angle_that_is_not_finite_is_refused(angle: float) -> None:
    room = Room()
    room.show(scene())
    with pytest.raises(Refusal, match="not finite"):
        room.take_detection(detections(("person", 1.0, (120, 65, 40, 30, angle)), stamp=1))


def test_a_detection_becomes_the_target_when_one_is_wanted() -> None:
    room = Room()
    room.show(scene())
    assert room.take_detection(detections(CAR)) is None
    chosen = room.take_detection(detections(CAR, PERSON, stamp=1))
    assert chosen is not None
    assert (chosen[0], chosen[1].index) == ("target", 1)
    assert room.show(scene(x=110)) == {"target": (State.TRACKING, 110)}
    # While it is tracked, another detection does not replace it.
    assert room.take_detection(detections(("person", 0.99, (20, 20, 10, 10)))) is None
    assert room.show(scene(colour=GREEN))["target"][0] is State.LOST
    green = ("person", 0.7, (120, 65, 40, 30))
    assert room.take_detection(detections(green, stamp=3)) is not None
    assert room.show(scene(x=90, colour=GREEN)) == {"target": (State.TRACKING, 90)}
    room.show(scene(colour=RED))
    with pytest.raises(Refusal, match="not remembered"):
        room.take_detection(detections(PERSON, stamp=77))


def test_targets_of_others_are_left_to_them() -> None:
    room = Room()
    room.show(scene())
    room.set_box(TargetBox(id="mine", box=box()))
    room.show(scene(colour=GREEN))
    assert room.targets.states() == {"mine": State.LOST}
    assert room.take_detection(detections(PERSON)) is None


@pytest.fixture
def node(domain_id: int) -> Iterator[tuple[NodeProcess, Client]]:
    process = NodeProcess([*FAKE_NODE, "0", "--ros-args", "-p", "detection_class:=person"], domain_id)
    client = Client(domain_id)
    try:
        client.connect()
        yield process, client
        process.interrupt()
        assert process.wait() == 0, process.text
    finally:
        client.close()
        process.end()


def publisher_for(client: Client, kind: type, topic: str) -> Publisher:
    publisher = client.node.create_publisher(kind, topic, 10)
    client.until(publisher.get_subscription_count, f"the node listens to {topic}")
    return publisher


def seen_after(client: Client, id: str, picture: np.ndarray) -> TrackedObject:
    """Wait until the target with this id is the only one, and return it."""
    client.until(lambda: [item.id for item in client.track(picture).objects] == [id], f"{id!r} is tracked")
    return client.objects[-1].objects[0]


@pytest.mark.ros
def test_boxes_and_clicks_over_dds(node: tuple[NodeProcess, Client]) -> None:
    process, client = node
    header = client.track(scene(x=20)).header
    client.track(scene(x=200))
    boxes = publisher_for(client, TargetBox, "tracker_node/set_box")
    boxes.publish(TargetBox(id="old", label="a thing", header=header, box=box(x=20.0)))
    item = seen_after(client, "old", scene(x=200))
    assert (item.label, item.state, item.box.x) == ("a thing", TrackedObject.TRACKING, 200)
    boxes.publish(TargetBox(box=box(x=900.0)))
    process.wait_for_text("~/set_box refused: box x=900")
    assert client.remove_target().success
    for topic in (
        "image_mouse_left",
        "tracker_node/overlay_mouse_left",
    ):  # the names that rqt_image_view uses
        clicks = publisher_for(client, Point, topic)
        clicks.publish(Point(x=210.0, y=60.0))
        assert seen_after(client, "target", scene(x=205)).box.x == 205
        assert client.remove_target().success
    clicks.publish(Point(x=-5.0, y=60.0))
    process.wait_for_text("click refused: the click at x=-4.5 y=60.5 lies outside the 320x240 image")


@pytest.mark.ros
def test_detections_over_dds(node: tuple[NodeProcess, Client]) -> None:
    messages = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")
    process, client = node
    publisher = publisher_for(client, messages.Detection2DArray, "tracker_node/detections_in")
    detection = messages.Detection2D(results=[messages.ObjectHypothesisWithPose()])
    detection.results[0].hypothesis.class_id = "person"
    detection.results[0].hypothesis.score = 0.9
    detection.bbox.center.position.x, detection.bbox.center.position.y = 225.0, 65.0
    detection.bbox.size_x, detection.bbox.size_y = 40.0, 30.0
    header = client.track(scene(x=205)).header
    publisher.publish(messages.Detection2DArray(header=header, detections=[detection]))
    item = seen_after(client, "target", scene(x=215))
    assert (item.label, item.box.x) == ("person", 215)
    assert client.remove_target().success
    header.stamp.sec -= 500
    publisher.publish(messages.Detection2DArray(header=header, detections=[detection]))
    process.wait_for_text("~/detections_in refused: the image with stamp")


@pytest.mark.parametrize("name", ["a" * 65, "a\nERROR: all is lost", "\x1b[31mred", "\u202egnp"])
def test_names_that_would_spoil_the_log_are_refused(name: str) -> None:
    room = Room()
    room.show(scene())
    for request in (SetTarget.Request(id=name, box=box()), SetTarget.Request(label=name, box=box())):
        with pytest.raises(Refusal, match="at most 64 printable characters") as refused:
            room.set_box(request)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 500
    assert room.targets.ids() == []
    assert room.set_box(SetTarget.Request(id="Tür 1 (rot)", box=box()))[0] == "Tür 1 (rot)"


def test_mask_values_are_for_life() -> None:
    room = Room()
    picture = scene()
    picture[150:180, 200:240] = GREEN
    room.show(picture)
    for id, place in (("red", box()), ("green", box(200, 150))):
        room.set_box(SetTarget.Request(id=id, box=place))

    def values(image: np.ndarray) -> dict[str, int]:
        room.show(image)
        frame = room.frames.newest()
        seen = room.targets.step(replace(frame, index=frame.index + 1), image, CONFIG.tracking)
        room._index += 1
        return {item.id: item.mask_value for item in objects_of(seen)}

    assert values(picture) == {"red": 1, "green": 2}
    only_green = picture.copy()
    only_green[50:80, 100:140] = 20
    for _ in range(3):
        assert values(only_green) == {"red": 0, "green": 2}
    room.targets.remove("red")
    assert values(only_green) == {"green": 2}
    room.set_box(SetTarget.Request(id="green", box=box(200, 150)))
    room.set_box(SetTarget.Request(id="next", box=box(200, 150)))
    assert values(only_green) == {"green": 2, "next": 1}


@pytest.mark.ros
@pytest.mark.alone
@pytest.mark.parametrize("kind", ["set_target", "set_box"])
def test_requests_do_not_keep_the_executor_from_receiving_images(domain_id: int, kind: str) -> None:
    """Five requests a second, each of which takes the network 0.15 s."""
    process = NodeProcess([*FAKE_NODE, "0", "--init-seconds", "0.15"], domain_id)
    client = Client(domain_id)
    try:
        client.connect()
        client.track(scene())
        ask = asker(client, kind)
        client.until(lambda: client.statuses[-1].frames_received, "an image is counted")
        before = client.statuses[-1].frames_received
        sent = 0
        begin_s = time.monotonic()
        while (now_s := time.monotonic() - begin_s) < 5.0:
            if sent % 6 == 0:
                ask()
            client.send(scene())
            sent += 1
            client.spin(max(sent / 30 - now_s, 0.0))
        client.spin(2.5)  # the status comes once a second
        assert client.statuses[-1].frames_received - before > 0.9 * sent
        process.interrupt()
        assert process.wait() == 0, process.text
        assert process.text.count("is tracked from image") >= 15
    finally:
        client.close()
        process.end()


def asker(client: Client, kind: str) -> Callable[[], object]:
    """Return a function that asks for a target."""
    if kind == "set_target":
        service = client.node.create_client(SetTarget, "tracker_node/set_target")
        client.until(service.service_is_ready, "the service is there")
        return lambda: service.call_async(SetTarget.Request(box=box()))
    boxes = publisher_for(client, TargetBox, "tracker_node/set_box")
    return lambda: boxes.publish(TargetBox(box=box()))


class SlowTracker(FakeTracker):
    """A network that has no new target before `go` is set, as on a slow board."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.begun = 0

    def init(self, image, box_xywh):
        self.begun += 1
        assert self.go.wait(30.0)
        return super().init(image, box_xywh)


class Inputs(Room):
    """The room with its queue, in a node."""

    def __init__(self, domain_id: int) -> None:
        self.tracker = SlowTracker()
        super().__init__(self.tracker)
        self.show(scene())
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = rclpy.create_node("inputs", context=self._context)
        self.services = TargetServices(self.node)
        self.services.targets = self.targets
        self.queue = self.services.queue = RequestQueue(self.node, self.selector)
        self.inputs = SelectionInputs(self.node, self.queue, "/image")

    def until(self, is_true: Callable[[], object]) -> None:
        end_s = time.monotonic() + 30.0
        while not is_true():
            assert time.monotonic() < end_s
            time.sleep(0.01)

    def close(self) -> None:
        self.tracker.go.set()
        self.inputs.close()
        assert self.queue.stop(5.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)


@pytest.fixture
def inputs(domain_id: int) -> Iterator[Inputs]:
    inputs = Inputs(domain_id)
    yield inputs
    inputs.close()


@pytest.mark.ros
def test_requests_are_met_in_their_order(inputs: Inputs) -> None:
    for number in range(4):
        inputs.inputs._on_box(TargetBox(id=str(number), box=box()))
    assert inputs.targets.ids() == []  # all calls have returned before there is a target
    inputs.tracker.go.set()
    inputs.until(lambda: len(inputs.targets.ids()) == 4)
    assert inputs.targets.ids() == ["0", "1", "2", "3"]


@pytest.mark.ros
def test_a_detection_does_not_keep_the_executor(inputs: Inputs) -> None:
    """A detector publishes all the time."""
    for _ in range(10):
        inputs.inputs._on_detections(detections(PERSON))
    assert inputs.targets.ids() == []
    inputs.tracker.go.set()
    inputs.until(inputs.targets.ids)
    assert inputs.targets.ids() == ["target"]


@pytest.mark.ros
@pytest.mark.parametrize("id", ["", "late"])
def test_a_removed_target_does_not_come_back(inputs: Inputs, id: str) -> None:
    """Neither from a request at work nor from one that waits; a follower would drive on to it."""
    inputs.inputs._on_box(TargetBox(id="late", box=box()))
    inputs.inputs._on_box(TargetBox(id="late", box=box()))
    inputs.until(lambda: inputs.tracker.begun)
    response = inputs.services._on_remove(RemoveTarget.Request(id=id), RemoveTarget.Response())
    assert (response.success, list(response.removed)) == (True, ["late"])
    inputs.tracker.go.set()
    inputs.inputs._on_box(TargetBox(id="next", box=box()))
    inputs.until(inputs.targets.ids)
    assert inputs.targets.ids() == ["next"]
    assert inputs.targets.remove("late") == []


@pytest.mark.ros
def test_a_request_that_waits_is_answered_when_the_node_is_deactivated(domain_id: int) -> None:
    process = NodeProcess([*FAKE_NODE, "0", "--init-seconds", "1.0"], domain_id)
    client = Client(domain_id)
    try:
        client.connect()
        client.track(scene())
        service = client.node.create_client(SetTarget, "tracker_node/set_target")
        client.until(service.service_is_ready, "the service is there")
        answers = [service.call_async(SetTarget.Request(id=id, box=box())) for id in ("a", "b")]
        client.spin(0.5)
        change = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
        assert client.call(ChangeState, "tracker_node/change_state", change).success
        client.until(lambda: all(answer.done() for answer in answers), "both are answered")
        first, second = (answer.result() for answer in answers)
        assert first.success
        assert (second.success, second.message) == (False, "the node has been deactivated")
        assert list(client.remove_target().removed) == ["a"]
    finally:
        client.close()
        process.end()
