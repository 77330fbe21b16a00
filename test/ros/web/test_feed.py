"""The live feed of the web page: images and results of the same stamp together, in time."""

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
from siammaskpp_ros.web import feed as web_feed
from siammaskpp_ros.web.feed import FeedImage, LiveFeed, encode


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


def shown(image: FeedImage | None) -> tuple[int, bool] | None:
    """Return the number of the image, and True when it has results."""
    return image and (image.frame.message.header.stamp.sec, image.objects is not None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The current time in seconds; a test changes its only item."""
    now = [50.0]
    monkeypatch.setattr(web_feed.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_image_results_and_labels_come_in_any_order(order: tuple[int, ...]) -> None:
    feed = LiveFeed()
    parts = [
        lambda: feed.add_image(image(1), 0.0),
        lambda: feed.add_objects(results(1, 2)),
        lambda: feed.add_labels(labels(1)),
    ]
    for index in order:
        assert feed.newest() is None
        parts[index]()
    found = feed.newest()
    assert shown(found) == (1, True)
    assert found is not None
    assert found.labels == labels(1)
    feed.add_image(image(2), 0.0)
    assert feed.newest() is found  # image 2 has no results yet
    feed.add_labels(labels(2))
    feed.add_objects(results(2, 0))  # lost: there is no mask to wait for
    assert shown(feed.newest()) == (2, True)


def test_without_results_images_are_shown_after_some_time(clock: list[float]) -> None:
    feed = LiveFeed()
    feed.add_image(image(1), 0.0)
    assert feed.newest() is None
    clock[0] += 1.6
    feed.add_image(image(2), 0.0)
    plain = feed.newest()
    assert shown(plain) == (2, False)
    assert feed.newest() is plain
    feed.add_objects(results(2))
    assert shown(feed.newest()) == (2, True)
    clock[0] += 1.6
    assert shown(feed.newest()) == (2, False)
    assert feed.time_since_image_s() == pytest.approx(1.6)
    feed.clear()
    assert feed.newest() is None
    assert feed.time_since_image_s() == 0.0


def read(data: bytes) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    length = int.from_bytes(data[:4], "big")
    picture = cv2.imdecode(np.frombuffer(data[4 + length :], np.uint8), cv2.IMREAD_COLOR)
    return json.loads(data[4 : 4 + length]), np.asarray(picture, np.uint8)


def test_a_message_has_the_masks_in_the_picture_and_the_rest_as_text() -> None:
    feed = LiveFeed()
    message = results(3, 0, 2)
    message.objects[1].label, message.objects[1].score = "täg", 0.75
    message.objects[1].rotated_box.corners = np.arange(8.0)
    feed.add_image(image(3), 0.0)
    feed.add_labels(labels(3))
    feed.add_objects(message)
    newest = feed.newest()
    assert newest is not None
    text, picture = read(encode(newest, 960))
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
    feed = LiveFeed()
    feed.add_image(image(1, size=(2000, 1000)), 0.0)
    feed.add_objects(results(1))
    newest = feed.newest()
    assert newest is not None
    text, picture = read(encode(newest, 500))
    assert picture.shape == (250, 500, 3)
    assert (text["width"], text["height"]) == (2000, 1000)


def test_an_image_that_cannot_be_read_says_why() -> None:
    feed = LiveFeed()
    broken = image(1)
    broken.step = 5
    feed.add_image(broken, 0.0)
    feed.add_objects(results(1))
    newest = feed.newest()
    assert newest is not None
    with pytest.raises(ImageMessageError, match="contradicts itself"):
        encode(newest, 960)


def test_images_with_16_bits_look_the_same_from_image_to_image() -> None:
    """A bright object that enters the image must not make the rest of it dark."""
    feed = LiveFeed()
    ramp = np.broadcast_to(np.linspace(1000, 4000, 320).astype(np.uint16), (240, 320))
    entered = ramp.copy()
    entered[:20, :20] = 16000
    wall = np.s_[100:, :]
    shown_walls = []
    for number, values in enumerate((ramp, entered), 1):
        feed.add_image(to_image(values, "mono16", header(number)), 0.0)
        feed.add_objects(results(number))
        newest = feed.newest()
        assert shown(newest) == (number, True)
        shown_walls.append(read(encode(newest, 320))[1][wall].astype(int))
    assert np.abs(shown_walls[1] - shown_walls[0]).max() <= 2  # JPEG
    assert np.ptp(shown_walls[0]) > 150
