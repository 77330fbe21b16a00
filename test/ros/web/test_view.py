"""What the web page shows: images and results of the same stamp together, in time."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from ros_harness import scene
from std_msgs.msg import Header

from siammaskpp.msg import TrackedObject, TrackedObjectArray
from siammaskpp_core.io.drawing import target_colour
from siammaskpp_core.io.image_messages import ImageMessageError
from siammaskpp_ros.common.conversions import to_image
from siammaskpp_ros.web import view as web_view
from siammaskpp_ros.web.view import LiveView, View, packet


def header(number: int) -> Header:
    return Header(stamp=Time(sec=number, nanosec=7), frame_id="camera")


def image(number: int, size: tuple[int, int] = (320, 240)) -> Any:
    return to_image(scene(size=size), "bgr8", header(number))


def labels(number: int, value: int = 2) -> Any:
    picture = np.zeros((240, 320), np.uint8)
    picture[50:80, 100:140] = value
    return to_image(picture, "mono8", header(number))


def results(number: int, *mask_values: int) -> TrackedObjectArray:
    objects = [TrackedObject(id=f"o{value}", mask_value=value) for value in mask_values]
    for item in objects:
        item.state = TrackedObject.TRACKING if item.mask_value else TrackedObject.LOST
    return TrackedObjectArray(header=header(number), objects=objects)


def shown(view: View | None) -> tuple[int, bool] | None:
    """Number of the image, and whether its results are there."""
    return view and (view.frame.message.header.stamp.sec, view.objects is not None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be changed."""
    now = [50.0]
    monkeypatch.setattr(web_view.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_image_results_and_labels_come_in_any_order(order: tuple[int, ...]) -> None:
    view = LiveView()
    parts = [
        lambda: view.add_image(image(1), 0.0),
        lambda: view.add_objects(results(1, 2)),
        lambda: view.add_labels(labels(1)),
    ]
    for index in order:
        assert view.newest() is None
        parts[index]()
    found = view.newest()
    assert shown(found) == (1, True)
    assert found is not None
    assert found.labels == labels(1)
    view.add_image(image(2), 0.0)
    assert view.newest() is found  # image 2 has no results yet
    view.add_labels(labels(2))
    view.add_objects(results(2, 0))  # lost: there is no mask to wait for
    assert shown(view.newest()) == (2, True)


def test_without_results_images_are_shown_after_some_time(clock: list[float]) -> None:
    view = LiveView()
    view.add_image(image(1), 0.0)
    assert view.newest() is None
    clock[0] += 1.6
    view.add_image(image(2), 0.0)
    plain = view.newest()
    assert shown(plain) == (2, False)
    assert view.newest() is plain
    view.add_objects(results(2))
    assert shown(view.newest()) == (2, True)
    clock[0] += 1.6
    assert shown(view.newest()) == (2, False)
    assert view.silent_s() == pytest.approx(1.6)
    view.clear()
    assert view.newest() is None
    assert view.silent_s() == 0.0


def read(data: bytes) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    length = int.from_bytes(data[:4], "big")
    picture = cv2.imdecode(np.frombuffer(data[4 + length :], np.uint8), cv2.IMREAD_COLOR)
    return json.loads(data[4 : 4 + length]), np.asarray(picture, np.uint8)


def test_a_packet_has_the_masks_in_the_picture_and_the_rest_as_text() -> None:
    view = LiveView()
    message = results(3, 0, 2)
    message.objects[1].label, message.objects[1].score = "täg", 0.75
    message.objects[1].rotated_box.corners = np.arange(8.0)
    view.add_image(image(3), 0.0)
    view.add_labels(labels(3))
    view.add_objects(message)
    newest = view.newest()
    assert newest is not None
    text, picture = read(packet(newest, 960))
    assert text["header"] == {"frame_id": "camera", "stamp": {"sec": 3, "nanosec": 7}}
    assert (text["width"], text["height"]) == (320, 240)
    lost, found = text["objects"]
    assert (lost["id"], lost["state"], "corners" in lost) == ("o0", "LOST", False)
    assert (found["label"], found["state"], found["score"]) == ("täg", "TRACKING", 0.75)
    assert found["corners"] == list(range(8))
    colour = np.array(target_colour(1))
    blue, green, red = colour
    assert found["colour"] == f"#{red:02x}{green:02x}{blue:02x}"
    inside = 0.6 * np.array([0, 0, 255]) + 0.4 * colour
    assert picture[65, 120] == pytest.approx(inside, abs=20)
    assert picture[65, 60] == pytest.approx([20, 20, 20], abs=8)


def test_large_images_are_scaled_but_not_their_coordinates() -> None:
    view = LiveView()
    view.add_image(image(1, size=(2000, 1000)), 0.0)
    view.add_objects(results(1))
    newest = view.newest()
    assert newest is not None
    text, picture = read(packet(newest, 500))
    assert picture.shape == (250, 500, 3)
    assert (text["width"], text["height"]) == (2000, 1000)


def test_an_image_that_cannot_be_read_says_why() -> None:
    view = LiveView()
    broken = image(1)
    broken.step = 5
    view.add_image(broken, 0.0)
    view.add_objects(results(1))
    newest = view.newest()
    assert newest is not None
    with pytest.raises(ImageMessageError, match="contradicts itself"):
        packet(newest, 960)
