"""Depth messages, calibrations, pairing and messages of poses, each tested alone."""

from __future__ import annotations

import struct
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from pose_harness import FOCAL_PX, camera_info, depth_message
from rclpy.context import Context
from rclpy.node import Node
from ros_time import seconds, stamp_at
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from siammaskpp_core.errors import MissingPackageError
from siammaskpp_core.pose import CameraError, DepthError, PoseEstimate
from siammaskpp_core.pose.estimator import Velocity
from siammaskpp_ros.pose.camera import CameraInput, camera_of, info_topic
from siammaskpp_ros.pose.depth import DepthPairing, TrackedImage, depth_array
from siammaskpp_ros.pose.messages import markers_of, pose_with_covariance, to_cloud
from siammaskpp_ros.pose.options import PoseOptions
from siammaskpp_ros.pose.publishers import TransformOutput


@pytest.fixture
def node(domain_id: int) -> Iterator[Node]:
    yield from created_node(domain_id)


def created_node(domain_id: int, *arguments: str) -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context, domain_id=domain_id)
    node = rclpy.create_node("parts", context=context, cli_args=["--ros-args", *arguments])
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def header(stamp_s: float, frame_id: str = "optical") -> Header:
    return Header(stamp=stamp_at(stamp_s), frame_id=frame_id)


def test_depth_of_both_encodings_byte_orders_and_padded_rows() -> None:
    little = Image(height=2, width=2, encoding="16UC1", step=6, data=struct.pack("<3H2H", 1, 2, 9, 3, 4))
    np.testing.assert_array_equal(depth_array(little), [[1, 2], [3, 4]])
    big = Image(height=1, width=2, encoding="16UC1", step=4, is_bigendian=1, data=struct.pack(">2H", 1500, 7))
    np.testing.assert_array_equal(depth_array(big), [[1500, 7]])
    assert depth_array(big).dtype == np.uint16
    metres = depth_message(np.array([[1.5, np.nan]], np.float32), "32FC1", Header())
    np.testing.assert_array_equal(depth_array(metres), np.array([[1.5, np.nan]], np.float32))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"encoding": "bgr8"}, "16UC1"),
        ({"step": 2}, "contradicts itself"),
        ({"data": bytes(3)}, "cut off"),
        ({"width": 0}, "contradicts itself"),
    ],
)
def test_broken_depth_says_why(values: dict, reason: str) -> None:
    good = {"height": 2, "width": 2, "encoding": "16UC1", "step": 4, "data": bytes(8)}
    with pytest.raises(DepthError, match=reason):
        depth_array(Image(**good | values))


def test_rectified_images_have_the_camera_of_the_projection_matrix() -> None:
    info = camera_info(Header())
    info.d = [-0.3, 0.1, 0.0, 0.0, 0.0]
    info.p[0] = info.p[5] = 250.0
    np.testing.assert_allclose(camera_of(info, True).rays([[159.5 + 250, 119.5]]), [[1, 0, 1]])
    straight = (FOCAL_PX + 159.5, 119.5)
    assert camera_of(info, False).rays([straight])[0, 0] > 1.05  # the lens has moved it inwards


def test_a_region_of_the_sensor_has_its_own_camera() -> None:
    info = camera_info(Header())
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 100, 50, 60, 40
    camera = camera_of(info, False)
    assert (camera.width, camera.height) == (60, 40)
    np.testing.assert_allclose(camera.rays([[59.5, 69.5]]), [[0, 0, 1]])


def test_camera_info_lies_beside_the_images_unless_it_is_remapped(node: Node, domain_id: int) -> None:
    assert info_topic(node, "/camera/color/image_raw") == "/camera/color/camera_info"
    assert info_topic(node, "/camera/image_raw/compressed") == "/camera/camera_info"
    assert info_topic(node, "/image") == "/camera_info"
    for remapped in created_node(domain_id, "-r", "camera_info:=/left/info"):
        assert info_topic(remapped, "/camera/image_raw") == "/left/info"


def test_errors_name_what_is_wrong_with_camera_info(node: Node) -> None:
    source = CameraInput(node, "/image", False)
    with pytest.raises(CameraError, match="no camera_info on /camera_info"):
        source.camera(header(1), 320, 240)
    source._on_info(camera_info(header(1)))
    assert source.camera(header(2), 320, 240).width == 320
    with pytest.raises(CameraError, match="320x240, these have 640x480"):
        source.camera(header(2), 640, 480)
    with pytest.raises(CameraError, match="frame 'optical', the images are in 'other'"):
        source.camera(header(2, "other"), 320, 240)
    assert source.camera(header(2, "/optical"), 320, 240).width == 320
    binned = camera_info(header(1))
    binned.binning_x = binned.binning_y = 2
    source._on_info(binned)
    assert source.camera(header(2), 160, 120).width == 160
    with pytest.raises(CameraError, match="binning 2x2 as well"):
        source.camera(header(2), 320, 240)
    source._on_info(CameraInfo(width=320, height=240))
    with pytest.raises(CameraError, match="not calibrated"):
        source.camera(header(2), 320, 240)


def tracked_image(stamp_s: float) -> TrackedImage:
    return TrackedImage(header(stamp_s), 320, 240, [], PoseOptions(), "", 0)


class Pairs:
    """A pairing without subscriptions: tests hand over images and depth."""

    def __init__(self, node: Node, slop_s: float = 0.02) -> None:
        self.stamps: list[tuple[float, float]] = []
        self.pairing = DepthPairing(node, slop_s, self._on_pair)

    def depth(self, *stamps_s: float) -> None:
        for stamp_s in stamps_s:
            self.pairing._on_depth(Image(header=header(stamp_s)), 0.0)

    def track(self, *stamps_s: float) -> None:
        for stamp_s in stamps_s:
            self.pairing.put(tracked_image(stamp_s))

    def _on_pair(self, image: TrackedImage, depth: Image) -> None:
        self.stamps.append((seconds(image.header.stamp), seconds(depth.header.stamp)))


@pytest.fixture
def pairs(node: Node) -> Pairs:
    pytest.importorskip("message_filters", reason="message_filters is not on PyPI; it comes with ROS 2")
    return Pairs(node)


def test_pairs_are_nearest_in_time_whichever_comes_first(pairs: Pairs) -> None:
    pairs.depth(1.000, 1.033, 1.066)
    pairs.track(1.035)
    assert pairs.stamps == [pytest.approx((1.035, 1.033))]
    pairs.track(1.100)
    pairs.depth(1.099)
    assert pairs.stamps[1] == pytest.approx((1.100, 1.099))
    pairs.track(1.2)
    pairs.depth(1.221)
    assert len(pairs.stamps) == 2


def test_a_late_depth_image_is_waited_for(pairs: Pairs) -> None:
    """At 60 Hz, the depth image of the image before is within the slop, too."""
    pairs.depth(1.0000, 1.0167, 1.0333)
    pairs.track(1.0500)
    assert pairs.stamps == []
    pairs.depth(1.0500)
    assert pairs.stamps == [pytest.approx((1.05, 1.05))]
    pairs.track(1.0667)
    pairs.depth(1.0833)  # its own was lost, the nearest are equally far
    assert len(pairs.stamps) == 2
    pairs.depth(1.0950)
    pairs.track(1.1000)  # nothing nearer can come
    assert pairs.stamps[-1] == pytest.approx((1.1, 1.095))


def test_depth_at_a_lower_rate_is_no_problem_and_one_out_of_order_changes_nothing(pairs: Pairs) -> None:
    pairs.pairing.start("auto")
    for number in range(30):
        pairs.track(1 + number / 30)
        if number % 2 == 0:
            pairs.depth(1 + number / 30)
        if number == 20:
            pairs.depth(1.5)
    assert len(pairs.stamps) == 15
    assert all(image_s == pytest.approx(depth_s) for image_s, depth_s in pairs.stamps)
    assert pairs.pairing.new_problem() == ""


def test_large_depth_images_do_not_fill_the_memory(pairs: Pairs) -> None:
    large = bytes(16_000_000)
    for number in range(10):
        pairs.pairing._on_depth(Image(header=header(1 + number / 10), data=large), 0.0)
    kept = pairs.pairing._synchronizer.queues[1].values()
    assert sum(len(message.data) for message in kept) <= 64_000_000


def test_a_slow_tracker_finds_the_depth_of_its_old_image(pairs: Pairs) -> None:
    pairs.depth(*(1 + index / 30 for index in range(25)))
    pairs.track(1.1)
    assert pairs.stamps == [pytest.approx((1.1, 1.1))]


def test_unmatched_images_are_counted_when_their_depth_can_no_longer_come(pairs: Pairs) -> None:
    pairs.track(1.0, 1.1, 1.2)
    assert pairs.pairing.counts().unmatched == 0
    pairs.depth(1.2)
    counts = pairs.pairing.counts()
    assert (counts.tracked_images, counts.depth_images, counts.paired, counts.unmatched) == (3, 1, 1, 2)
    pairs.track(*(2 + index / 10 for index in range(40)))  # the queue forgets the oldest
    assert pairs.pairing.counts().unmatched == 2 + 10


def test_images_without_depth_are_reported_with_the_reason(pairs: Pairs) -> None:
    pairs.pairing.start("auto")
    pairs.track(1.0)
    assert "no depth image on /depth (0 publishers)" in pairs.pairing.new_problem()
    assert pairs.pairing.new_problem() == ""  # no image has been tracked since
    pairs.depth(2.0, 3.0)
    pairs.pairing.new_problem()
    pairs.track(3.0)  # a slow tracker: its depth image came long before
    assert pairs.pairing.new_problem() == ""
    pairs.track(4.0)
    pairs.depth(4.1)
    assert (
        "1 images had no depth within 0.02 s; the newest depth image is +0.100 s"
        in pairs.pairing.new_problem()
    )


def test_pairing_goes_on_after_a_jump_back(pairs: Pairs) -> None:
    pairs.depth(*(100 + index / 10 for index in range(40)))
    pairs.track(103.9)
    pairs.depth(5.0, 5.1)  # the depth stream jumps first
    pairs.track(5.1)
    assert pairs.stamps[-1] == pytest.approx((5.1, 5.1))
    pairs.pairing.reset()  # the image stream has jumped
    pairs.track(1.0)
    pairs.depth(1.0)
    assert pairs.stamps[-1] == pytest.approx((1.0, 1.0))


def test_depth_with_a_negative_stamp_is_left_out(pairs: Pairs) -> None:
    """message_filters raises an error for it, in the executor of the node."""
    pairs.depth(1.0, -5.0)
    pairs.track(1.0)
    pairs.depth(-(2**31), 1.1)
    pairs.track(1.1)
    assert pairs.stamps == [pytest.approx((1.0, 1.0)), pytest.approx((1.1, 1.1))]


def test_pairs_come_from_two_threads_at_once(pairs: Pairs) -> None:
    stamps_s = [1 + index / 20 for index in range(400)]
    tracked = threading.Thread(target=lambda: pairs.track(*stamps_s))
    arrived = threading.Thread(target=lambda: [pairs.depth(stamp_s) for stamp_s in stamps_s])
    for thread in (tracked, arrived):
        thread.start()
    for thread in (tracked, arrived):
        thread.join(30)
        assert not thread.is_alive()
    assert pairs.pairing.counts().paired == len(pairs.stamps)
    assert all(image_s == pytest.approx(depth_s) for image_s, depth_s in pairs.stamps)
    pairs.track(100.0)
    pairs.depth(100.0)
    assert pairs.stamps[-1] == pytest.approx((100.0, 100.0))


def test_missing_packages_are_named(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("message_filters", "tf2_ros"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=r"ros-\$ROS_DISTRO-message-filters"):
        DepthPairing(node, 0.02, lambda image, depth: None)
    with pytest.raises(MissingPackageError, match=r"ros-\$ROS_DISTRO-tf2-ros-py"):
        TransformOutput(node)


def estimate(velocity: Velocity | None = None) -> PoseEstimate:
    quarter_turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # about z
    covariance = np.arange(36.0).reshape(6, 6)
    extent = np.array([0.4, 0.2, 0.0])
    return PoseEstimate(np.array([1.0, 2, 3]), quarter_turn, extent, covariance, np.zeros((0, 3)), velocity)


def test_pose_messages() -> None:
    message = pose_with_covariance(estimate())
    turn = message.pose.orientation
    assert (turn.x, turn.y) == (0, 0)
    assert (turn.z, turn.w) == pytest.approx((0.5**0.5, 0.5**0.5))
    assert (message.pose.position.x, message.pose.position.z) == (1, 3)
    assert list(message.covariance) == list(range(36))


def test_cloud_holds_the_points() -> None:
    points = np.random.default_rng(0).normal(size=(7, 3))
    cloud = to_cloud(points, header(1))
    assert [(item.name, item.offset) for item in cloud.fields] == [("x", 0), ("y", 4), ("z", 8)]
    assert (cloud.width, cloud.height, cloud.row_step) == (7, 1, 84)
    read = [struct.unpack_from("<3f", bytes(cloud.data), index * cloud.point_step) for index in range(7)]
    np.testing.assert_allclose(read, points, rtol=1e-6)


def test_markers_have_one_number_for_each_target_and_vanish() -> None:
    moving = Velocity(np.array([0.5, 0, 0]), np.eye(3))
    poses = {"cup": estimate(), "dog": estimate(moving)}
    markers = markers_of(header(1), poses, {"cup": "cup", "dog": "Rex"}).markers
    assert len({(item.ns, item.id) for item in markers}) == len(markers) == 5
    assert [item.ns for item in markers if item.ns == "velocity"] == ["velocity"]
    assert all(item.lifetime.nanosec > 0 and item.header == header(1) for item in markers)
    assert all(item.scale.z > 0 for item in markers)  # rviz refuses flat cubes
    (arrow,) = (item for item in markers if item.ns == "velocity")
    assert (arrow.points[0].x, arrow.points[1].x) == (1.0, 1.5)
    again = markers_of(header(2), {"dog": estimate()}, {"dog": "Rex"}).markers
    assert {item.id for item in again} < {item.id for item in markers}


def test_each_target_has_a_frame_of_its_own(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list = []
    fake = SimpleNamespace(TransformBroadcaster=lambda node: SimpleNamespace(sendTransform=sent.extend))
    monkeypatch.setitem(sys.modules, "tf2_ros", fake)
    output = TransformOutput(node)
    output.publish(header(1), {})
    assert not sent
    output.publish(header(1), {"cup": estimate()})
    (transform,) = sent
    assert (transform.header, transform.child_frame_id) == (header(1), "parts/cup")
    assert transform.transform.translation.y == 2
