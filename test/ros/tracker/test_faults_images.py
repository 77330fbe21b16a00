"""Cameras that stop, change, or send wrong images.

The node keeps running, reports the problem, keeps its target, and works once the cause is gone. Every test
leaves the node in a working state, so that all tests share one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from node_under_test import Node
from numpy.typing import NDArray
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_harness import FAKE_NODE, Client, jpeg, scene
from ros_time import seconds, stamp_at
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from siammaskpp.msg import TrackedObject, TrackerStatus
from siammaskpp_ros.common.conversions import to_image

pytestmark = pytest.mark.ros

WHITE = (255, 255, 255)


@pytest.fixture(scope="module")
def shared_camera(module_domain_id: int) -> Iterator[Node]:
    command = [*FAKE_NODE, "0.0", "--ros-args", "-p", "no_image_warning_s:=0.5", "-r", "__ns:=/images"]
    node = Node(command, module_domain_id, "/images")
    node.client.connect()
    yield node
    node.close()


@pytest.fixture
def camera(shared_camera: Node) -> Iterator[Node]:
    """The node with the fake tracker, whose target is the white rectangle of the newest image."""
    shared_camera.client.remove_target()
    shared_camera.client.track(scene(colour=WHITE))
    assert shared_camera.client.set_target((100, 50, 40, 30)).success
    yield shared_camera
    assert follows(shared_camera, scene(x=60, colour=WHITE), 60)


@pytest.fixture
def own_camera(domain_id: int) -> Iterator[Node]:
    """A node of its own that follows the white rectangle, for tests that count all its images."""
    node = Node([*FAKE_NODE, "0.0"], domain_id)
    try:
        node.client.connect()
        node.client.track(scene(colour=WHITE))
        assert node.client.set_target((100, 50, 40, 30)).success
        yield node
    finally:
        node.close()


def follows(node: Node, picture: NDArray[np.uint8] | Image, x: int) -> bool:
    (item,) = node.client.track(picture).objects
    return bool(item.state == TrackedObject.TRACKING and abs(item.box.x - x) <= 2)


def padded(picture: NDArray[np.uint8]) -> Image:
    rows = np.pad(picture.reshape(len(picture), -1), ((0, 0), (0, 13)), constant_values=200)
    return Image(height=240, width=320, encoding="bgr8", step=rows.shape[1], data=rows.tobytes())


def grey(encoding: str, dtype: str = "u1") -> Callable[[NDArray[np.uint8]], Image]:
    """Return the first channel of the picture in an encoding in which white is the largest number."""

    def make(picture: NDArray[np.uint8]) -> Image:
        values = picture[:, :, 0].astype(dtype) * (257 if dtype.endswith("2") else 1)
        data = values.astype(dtype).tobytes()
        is_bigendian = dtype.startswith(">")
        step = len(data) // 240
        return Image(
            height=240, width=320, encoding=encoding, step=step, data=data, is_bigendian=int(is_bigendian)
        )

    return make


def yuv422(picture: NDArray[np.uint8]) -> Image:
    luma = np.rint(16 + picture[:, :, 0] * (219 / 255)).astype(np.uint8)
    pairs = np.dstack([np.full_like(luma, 128), luma])
    return Image(height=240, width=320, encoding="yuv422", step=640, data=pairs.tobytes())


def bgra8(picture: NDArray[np.uint8]) -> Image:
    data = np.dstack([picture, np.zeros((240, 320), np.uint8)]).tobytes()
    return Image(height=240, width=320, encoding="bgra8", step=1280, data=data)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(padded, id="step-padding"),
        pytest.param(grey("mono8"), id="mono8"),
        pytest.param(grey("mono16", "<u2"), id="mono16"),
        pytest.param(grey("mono16", ">u2"), id="big-endian"),
        pytest.param(bgra8, id="bgra8"),
        pytest.param(yuv422, id="yuv422"),
        pytest.param(grey("bayer_rggb8"), id="bayer"),
    ],
)
def test_the_encoding_may_change_in_mid_stream(
    camera: Node, make: Callable[[NDArray[np.uint8]], Image]
) -> None:
    """ros-perception/vision_opencv#535: cv_bridge fails with NumPy from pip."""
    for x in (104, 110):
        assert follows(camera, make(scene(x=x, colour=WHITE)), x)


@pytest.mark.parametrize("size", [(640, 480), (160, 121), (2000, 1500)])
def test_the_size_may_change_in_mid_stream(camera: Node, size: tuple[int, int]) -> None:
    assert follows(camera, scene(x=90, size=size, colour=WHITE), 90)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (
            Image(height=2, width=4, step=16, encoding="32FC1", data=bytes(32)),
            "cannot be read; let the camera",
        ),
        (Image(height=200, width=400, step=1200, encoding="bgr8", data=bytes(16)), "contradicts itself"),
        (Image(height=3, width=3, step=6, encoding="yuv422", data=bytes(18)), "3x3 cannot be yuv422"),
    ],
    ids=["unknown", "short", "odd"],
)
def test_an_image_that_cannot_be_read_is_named(camera: Node, image: Image, reason: str) -> None:
    camera.client.send(image)
    assert camera.status(TrackerStatus.ERROR, reason).targets == 1
    assert follows(camera, scene(x=70, colour=WHITE), 70)
    camera.status(TrackerStatus.TRACKING)


def test_images_without_a_stamp_are_tracked_with_a_warning(camera: Node) -> None:
    """mgonzs13/yolo_ros#16: nodes that match messages by their stamps get nothing, and no error."""
    camera.client.send(scene(x=104, colour=WHITE), stamp=Time())
    camera.process.wait_for_text("the images have no stamp")
    assert "let the camera fill header.stamp" in camera.status(TrackerStatus.TRACKING, "no stamp").message
    assert camera.client.objects[-1].header.stamp == Time()
    assert camera.client.objects[-1].objects[0].box.x == 104


def test_the_target_outlives_a_jump_back_in_time(camera: Node) -> None:
    """ros2/ros2#1313, ros/ros_comm#1308: a bag that is played in a loop stops nodes forever."""
    for _ in range(2):
        camera.client.send(scene(x=110, colour=WHITE), stamp=Time(sec=5))
        camera.client.spin(0.1)
        assert follows(camera, scene(x=112, colour=WHITE), 112)
    assert "jumped back by" in camera.process.text
    assert "targets are kept" in camera.process.text


def test_images_out_of_order_are_left_out_and_the_target_is_lost_as_always(camera: Node) -> None:
    """A driver that exchanges neighbours: results stay in order, and the log says it once."""
    camera.process.text = ""
    first = camera.client.track(scene(x=104, colour=WHITE))
    begin_s = seconds(first.header.stamp)
    camera.client.objects.clear()
    dark = scene(colour=(20, 20, 20))
    for number in range(1, 40, 2):
        for step in (number + 1, number):
            camera.client.send(dark, stamp=stamp_at(begin_s + 0.1 * step))
            camera.client.spin(0.05)
    stamps_s = [seconds(result.header.stamp) for result in camera.client.objects]
    assert len(stamps_s) >= 10
    assert stamps_s == sorted(stamps_s)
    assert camera.client.objects[-1].objects[0].state == TrackedObject.LOST
    assert camera.process.text.count("are left out") == 1
    assert "jumped back" not in camera.process.text
    camera.client.skip(4.0)
    assert any(follows(camera, scene(x=104, colour=WHITE), 104) for _ in range(10))


def test_two_cameras_on_one_topic_are_told_apart(own_camera: Node) -> None:
    """Also when their clocks are 16 min apart. One of them is followed; before, each image was a restart."""
    client = own_camera.client
    other = client.node.create_publisher(Image, "image", 1)
    dark = to_image(scene(colour=(20, 20, 20)), "bgr8", Header(frame_id="rear_camera"))
    for number in range(20):
        client.send(scene(x=100 + number, colour=WHITE))
        client.spin(0.05)
        dark.header.stamp = stamp_at(10.0 + 0.1 * number)
        other.publish(dark)
        client.spin(0.05)
    assert {result.header.frame_id for result in client.objects} == {"camera_optical_frame"}
    (item,) = client.objects[-1].objects
    assert item.state == TrackedObject.TRACKING
    assert item.box.x >= 115
    text = own_camera.process.text
    assert text.count("two cameras") == 1
    for words in (
        "'camera_optical_frame'",
        "'rear_camera'",
        "/test_client",
        "image:=",
        "for each of them",
    ):
        assert words in text
    assert "jumped back" not in text
    # The first camera ends: the other one is followed.
    for number in range(20, 40):
        dark.header.stamp = stamp_at(10.0 + 0.1 * number)
        other.publish(dark)
        client.spin(0.05)
    assert client.objects[-1].header.frame_id == "rear_camera"


def test_two_publishers_with_one_frame_id_do_not_make_a_restart_with_every_image(own_camera: Node) -> None:
    client = own_camera.client
    reports: list[DiagnosticArray] = []
    client.node.create_subscription(DiagnosticArray, "/diagnostics", reports.append, 10)
    for number in range(20):
        client.send(scene(x=100 + number, colour=WHITE))
        client.spin(0.05)
        client.send(scene(colour=(20, 20, 20)), stamp=stamp_at(10.0 + 0.1 * number))
        client.spin(0.05)
    assert own_camera.process.text.count("two cameras") == 1
    assert client.objects[-1].objects[0].state == TrackedObject.TRACKING
    assert all(seconds(result.header.stamp) > 900 for result in client.objects[-10:])

    def tracking() -> list[DiagnosticStatus]:
        return [item for report in reports for item in report.status if item.name.endswith(": tracking")]

    client.until(lambda: any("two cameras" in item.message for item in tracking()), "it is told")
    assert next(item for item in tracking() if "two cameras" in item.message).level == DiagnosticStatus.WARN


def test_a_camera_that_stops_and_returns(camera: Node) -> None:
    """mgonzs13/yolo_ros#65, #27: no output and no error."""
    camera.process.text = ""
    camera.client.spin(2.5)
    status = camera.status(TrackerStatus.WAITING, "/images/image: it has 1 publisher(s)")
    assert "/images/test_client RELIABLE" in status.message
    assert "ros2 topic hz /images/image" in status.message
    assert status.targets == 1
    camera.process.wait_for_text("no image on /images/image")
    assert follows(camera, scene(x=130, colour=WHITE), 130)


def test_what_keeps_images_away_is_named(domain_id: int) -> None:
    """mgonzs13/yolo_ros#65, ros-perception/image_pipeline#828: wrong topic, type or QoS."""
    remap = ("-r", "image:=/camera/image", "-p", "image_reliability:=reliable")
    node = Node([*FAKE_NODE, "0.0", "--ros-args", *remap], domain_id)
    reports: list[DiagnosticStatus] = []

    def keep(message: DiagnosticArray) -> None:
        reports.extend(item for item in message.status if item.name == "/tracker_node: tracking")

    node.client.node.create_subscription(DiagnosticArray, "/diagnostics", keep, 10)

    def publish_as(kind: type, reliability: ReliabilityPolicy) -> Publisher:
        qos = QoSProfile(depth=1, reliability=reliability)
        return node.client.node.create_publisher(kind, "/camera/image", qos)

    def reported(key: str) -> str:
        return next(pair.value for pair in reports[-1].values if pair.key == key)

    try:
        node.client.until(lambda: reports and node.client.statuses, "the node reports")
        node.status(
            TrackerStatus.WAITING, "/camera/image: it has no publisher; images are published on /image"
        )

        publisher = publish_as(CompressedImage, ReliabilityPolicy.RELIABLE)
        node.status(TrackerStatus.WAITING, "sensor_msgs/msg/Image is expected; set the parameter compressed")
        node.client.node.destroy_publisher(publisher)

        publisher = publish_as(Image, ReliabilityPolicy.BEST_EFFORT)
        node.process.wait_for_text("incompatible QoS with /test_client BEST_EFFORT")
        node.status(TrackerStatus.WAITING, "set image_reliability to auto or best_effort")
        node.client.until(lambda: "BEST_EFFORT" in reported("incompatible_qos"), "diagnostics name it")
        assert reports[-1].level == DiagnosticStatus.WARN
        node.client.node.destroy_publisher(publisher)

        publisher = publish_as(Image, ReliabilityPolicy.RELIABLE)
        node.client.until(publisher.get_subscription_count, "the node listens")
        node.client.until(
            lambda: (publisher.publish(to_image(scene(), "bgr8", node.client.header())), node.client.objects)[
                1
            ],
            "an image arrives",
        )
        node.status(TrackerStatus.IDLE)
        node.client.until(lambda: reported("incompatible_qos") == "", "diagnostics are well again")
        assert reports[-1].level == DiagnosticStatus.OK
        assert reported("image_topic") == "/camera/image"
    finally:
        node.close()


def test_the_remedy_for_compressed_images_works(domain_id: int) -> None:
    """A topic that the status names becomes the value of the remapping that it names."""
    camera = Client(domain_id)
    publisher = camera.node.create_publisher(CompressedImage, "/cam/image_raw/compressed", 1)
    line = [*FAKE_NODE, "0.0", "--ros-args", "-p"]
    blind = Node([*line, "compressed:=true"], domain_id)
    blind.client.until(lambda: blind.client.statuses, "the node reports")
    remedy = "published on /cam/image_raw/compressed: remap image:=<one of them>"
    blind.status(TrackerStatus.WAITING, remedy)
    blind.close()
    raw = Node([*line, "compressed:=false", "-r", "image:=/cam/image_raw"], domain_id)
    raw.client.until(lambda: raw.client.statuses, "the node reports")
    raw.status(TrackerStatus.WAITING, "set the parameter compressed to true")
    raw.close()
    for name in ("/cam/image_raw/compressed", "/cam/image_raw"):
        node = Node([*line, "compressed:=true", "-r", f"image:={name}"], domain_id)
        try:
            node.client.until(lambda n=node: n.client.statuses, "the node reports")
            picture = jpeg(scene())
            node.client.until(lambda n=node, p=picture: publisher.publish(p) or n.client.objects, "results")
            assert "image_raw/compressed; engine fake, model " in node.process.text
        finally:
            node.close()
    camera.close()


def test_subscribers_that_come_and_go(camera: Node) -> None:
    for _ in range(5):
        pictures: list[Image] = []
        listeners = [
            camera.client.node.create_subscription(Image, f"tracker_node/{topic}", pictures.append, 1)
            for topic in ("overlay", "labels", "mask")
        ]
        for x in (100, 104):
            assert follows(camera, scene(x=x, colour=WHITE), x)
        for listener in listeners:
            camera.client.node.destroy_subscription(listener)
    assert follows(camera, scene(x=108, colour=WHITE), 108)


def test_compressed_images_that_cannot_be_decoded(domain_id: int) -> None:
    command = [*FAKE_NODE, "0.0", "--ros-args", "-p", "compressed:=true"]
    node = Node(command, domain_id, is_compressed=True)
    node.client.connect()
    try:
        node.client.track(jpeg(scene()))
        assert node.client.set_target((100, 50, 40, 30)).success
        for data in (b"", jpeg(scene()).data.tobytes()[:300]):
            node.client.send(CompressedImage(format="jpeg", data=data))
            node.status(TrackerStatus.ERROR, "cannot be decoded")
            assert abs(node.client.track(jpeg(scene(x=120))).objects[0].box.x - 120) <= 2
    finally:
        node.close()
