"""The tracker node with the fake tracker in its own process, which gets images over DDS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from ros_harness import FAKE_NODE, GREEN, Client, NodeProcess, decoded, interrupt_all, jpeg, scene
from sensor_msgs.msg import Image

from siammaskpp.msg import TrackedObject, TrackerStatus
from siammaskpp_ros.common.conversions import to_image

pytestmark = pytest.mark.ros

Start = Callable[..., tuple[NodeProcess, Client]]


@pytest.fixture
def start(domain_id: int) -> Iterator[Start]:
    """Starts the node and a connected client; at the end Ctrl-C must end the node with exit code 0."""
    running: list[tuple[NodeProcess, Client]] = []

    def run(
        step_s: float = 0.0, *arguments: str, is_connected: bool = True, **client
    ) -> tuple[NodeProcess, Client]:
        process = NodeProcess([*FAKE_NODE, str(step_s), "--ros-args", *arguments], domain_id)
        running.append((process, Client(domain_id, **client)))
        if is_connected:
            running[-1][1].connect()
        return running[-1]

    yield run
    for _, client in running:
        client.close()
    interrupt_all([process for process, _ in running if process.is_running()])


def test_select_track_remove(start: Start) -> None:
    _, client = start()
    client.track(scene())
    answer = client.set_target((100, 50, 40, 30), label="red thing")
    assert answer.success, answer.message
    assert answer.id == "target"

    for x in (104, 110, 120):
        result = client.track(scene(x=x))
        (item,) = result.objects
        assert result.header.frame_id == "camera_optical_frame"
        assert (item.id, item.label, item.state) == ("target", "red thing", TrackedObject.TRACKING)
        assert (item.box.x, item.box.y, item.box.width, item.box.height) == (x, 50, 40, 30)
        assert (item.rotated_box.center_x, item.rotated_box.center_y) == (x + 20, 65)
        assert item.score == pytest.approx(0.9)
        client.until(lambda h=result.header: client.masks and client.masks[-1].header == h, "the mask comes")
        expected = (scene(x=x)[:, :, 2] == 255) * 255
        np.testing.assert_array_equal(decoded(client.masks[-1]), expected)

    answer = client.remove_target("target")
    assert answer.success
    assert (list(answer.removed), list(answer.remaining)) == (["target"], [])
    assert client.track(scene()).objects == []


def test_refused_boxes_say_why_and_leave_the_target_alone(start: Start) -> None:
    _, client = start()
    client.track(scene())
    assert client.set_target((100, 50, 40, 30)).success
    nan = float("nan")
    for box in ((400, 50, 40, 30), (100, 50, 0, 30), (100, 50, -5, 30), (nan, 50, 40, 30)):
        answer = client.set_target(box)
        assert not answer.success, box
        assert "box" in answer.message
        assert answer.id == ""
        answer = client.set_target(box, id="another")
        assert not answer.success
    (item,) = client.track(scene(x=130)).objects
    assert (item.id, item.state, item.box.x) == ("target", TrackedObject.TRACKING, 130)


def test_without_an_image_the_answer_names_topic_and_publishers(start: Start) -> None:
    process, client = start(0.0, "-p", "no_image_warning_s:=0.5")
    answer = client.set_target((1, 2, 30, 40))
    assert not answer.success
    assert "/image" in answer.message
    assert "1 publisher(s) (/test_client RELIABLE)" in answer.message
    process.wait_for_text("no image on /image: it has 1 publisher(s)")
    client.until(lambda: client.statuses[-1].state == TrackerStatus.WAITING, "status says it waits")


def test_encoding_and_size_may_change_between_images(start: Start) -> None:
    _, client = start()
    client.track(scene())
    assert client.set_target((100, 50, 40, 30)).success
    small = scene(x=60, y=20, size=(161, 121))
    assert client.track(to_image(small[:, :, ::-1], "rgb8", client.header())).objects[0].box.x == 60
    four = np.dstack([scene(x=70), np.full((240, 320), 255, np.uint8)])
    assert client.track(to_image(four, "bgra8", client.header())).objects[0].box.x == 70
    client.until(lambda: len(client.masks) >= 2, "masks come")
    assert decoded(client.masks[-2]).shape == (121, 161)
    assert decoded(client.masks[-1]).shape == (240, 320)


def test_an_image_it_cannot_read_is_reported_and_survived(start: Start) -> None:
    process, client = start()
    client.track(scene())
    assert client.set_target((100, 50, 40, 30)).success
    client.send(Image(width=4, height=2, step=16, encoding="32FC1", data=bytes(32)))
    client.until(lambda: client.statuses[-1].state == TrackerStatus.ERROR, "status says so")
    assert "'32FC1' cannot be read" in client.statuses[-1].message
    client.send(Image(width=400, height=200, step=1200, encoding="bgr8", data=bytes(16)))
    client.until(lambda: "contradicts itself" in client.statuses[-1].message, "status says why")
    assert client.track(scene(x=90)).objects[0].box.x == 90
    client.until(lambda: client.statuses[-1].state == TrackerStatus.TRACKING, "it is well again")
    assert client.statuses[-1].frames_failed == 2
    assert process.is_running()


def test_a_failing_tracker_keeps_node_and_target(start: Start) -> None:
    _, client = start()
    client.track(scene())
    assert client.set_target((100, 50, 40, 30)).success
    bad = scene()
    bad[0, 0] = (255, 0, 0)
    client.send(bad)
    client.until(lambda: client.statuses[-1].state == TrackerStatus.ERROR, "status says so")
    assert "the engine fell over" in client.statuses[-1].message
    assert client.track(scene(x=95)).objects[0].box.x == 95


def test_a_lost_target_has_no_place_and_no_mask_until_it_is_confirmed(start: Start) -> None:
    _, client = start(0.0, "-p", "lost_after_frames:=2", "-p", "confirm_frames:=2")
    client.track(scene())
    assert client.set_target((100, 50, 40, 30)).success
    for state in (TrackedObject.UNCERTAIN, TrackedObject.LOST, TrackedObject.LOST):
        (item,) = client.track(scene(colour=GREEN)).objects
        assert item.state == state
        assert (item.mask_value, item.box.width, item.rotated_box.width) == (0, 0, 0)
    client.until(lambda: client.statuses[-1].state == TrackerStatus.LOST, "status says lost")
    (item,) = client.track(scene(x=140)).objects
    assert (item.state, item.box.width) == (TrackedObject.LOST, 0)
    assert client.masks == []
    (item,) = client.track(scene(x=145)).objects
    assert (item.state, item.box.x) == (TrackedObject.TRACKING, 145)


def test_the_newest_image_wins(start: Start) -> None:
    step_s, images = 0.5, 60
    _, client = start(step_s)
    client.track(scene())
    assert client.set_target((100, 50, 40, 30)).success
    client.track(scene())
    client.objects.clear()
    start_s = time.monotonic()
    for _ in range(images):
        header = client.send(scene())
        client.spin(0.025)
    client.until(
        lambda: client.objects and client.objects[-1].header == header, "the last image has a result"
    )
    stamps = [(item.header.stamp.sec, item.header.stamp.nanosec) for item in client.objects]
    assert stamps == sorted(stamps)
    assert len(stamps) <= min((time.monotonic() - start_s) / step_s + 1, images - 1)
    client.until(lambda: client.statuses[-1].frames_dropped > 0, "dropped images are counted")
    # An image waits for at most one other image: two periods, and some time on a busy machine.
    status = client.statuses[-1]
    assert status.latency_p95_ms < 3.0 * 1000 / status.fps

    def every_image_is_counted_once() -> bool:
        status = client.statuses[-1]
        counted = status.frames_tracked + status.frames_idle + status.frames_dropped + status.frames_failed
        return bool(counted == status.frames_received)

    client.until(every_image_is_counted_once, "the counts add up")


def test_a_stamp_selects_the_image_the_box_was_drawn_on(start: Start) -> None:
    _, client = start()
    old = client.track(scene(x=20)).header.stamp
    client.track(scene(x=200))
    # Only the image with the old stamp shows the red rectangle at (20, 50); the newest image is dark there.
    answer = client.set_target((20, 50, 40, 30), stamp=old)
    assert answer.success, answer.message
    assert answer.stamp == old
    assert client.track(scene(x=210)).objects[0].box.x == 210
    answer = client.set_target((20, 50, 40, 30), stamp=Time(sec=5))
    assert not answer.success
    assert "not remembered" in answer.message


def test_several_targets_have_their_own_labels(start: Start) -> None:
    _, client = start()
    labels, overlays = client.keep("labels"), client.keep("overlay")
    picture = scene(x=30)
    picture[150:180, 200:240] = GREEN
    client.track(picture)
    assert client.set_target((30, 50, 40, 30), id="red").success
    assert client.set_target((200, 150, 40, 30), id="green").success
    result = client.track(picture)
    assert [(item.id, item.mask_value) for item in result.objects] == [("red", 1), ("green", 2)]
    client.until(lambda: labels and overlays and overlays[-1].header == result.header, "pictures come")
    values = decoded(labels[-1])
    assert (values[60, 40], values[160, 210], values[0, 0]) == (1, 2, 0)
    assert set(np.unique(decoded(client.masks[-1]))) == {0, 255}
    assert (decoded(overlays[-1]) != picture).any()

    answer = client.remove_target("blue")
    assert not answer.success
    assert "blue" in answer.message
    assert list(client.remove_target("red").remaining) == ["green"]
    assert [item.id for item in client.track(picture).objects] == ["green"]
    assert client.set_parameters(max_targets=1).successful
    answer = client.set_target((30, 50, 40, 30), id="red")
    assert not answer.success
    assert "max_targets" in answer.message


def test_compressed_images_in_a_namespace(start: Start) -> None:
    arguments = ("-r", "__ns:=/robot1", "-p", "compressed:=true")
    _, client = start(0.0, *arguments, namespace="/robot1", is_compressed=True)
    client.track(jpeg(scene()))
    assert client.set_target((100, 50, 40, 30)).success
    (item,) = client.track(jpeg(scene(x=120))).objects
    assert item.box.x == pytest.approx(120, abs=2)


def test_parameters_at_run_time(start: Start) -> None:
    _, client = start()
    client.track(scene())
    assert client.set_target((100, 50, 40, 30)).success
    assert client.set_parameters(confidence_high=0.95).successful
    assert client.track(scene()).objects[0].state == TrackedObject.UNCERTAIN
    assert client.set_parameters(confidence_low=0.92, lost_after_frames=1).successful
    assert client.track(scene()).objects[0].state == TrackedObject.LOST
    for values, reason in (
        ({"confidence_low": 1.5}, "range"),
        ({"confidence_low": 0.97}, "above confidence_high"),
        ({"engine": "openvino"}, "when the node is configured"),
        ({"autostart": False}, "read"),
        ({"max_targets": "many"}, "type"),
    ):
        answer = client.set_parameters(**values)
        assert not answer.successful, values
        assert reason in answer.reason.lower()
