"""Poses of a tracker node with the fake tracker, over DDS."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseWithCovarianceStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from pose_harness import FRAME, PoseClient, camera_info, depth_picture, place
from rclpy.context import Context
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_harness import FAKE_NODE, GREEN, NodeProcess, interrupt_all, scene
from ros_time import seconds
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

pytestmark = pytest.mark.ros

Start = Callable[..., tuple[NodeProcess, PoseClient]]
HAS_FILTERS = importlib.util.find_spec("message_filters") is not None
needs_filters = pytest.mark.skipif(
    not HAS_FILTERS,
    reason="message_filters is not on PyPI; it comes with ROS 2 (ros-<distro>-message-filters)",
)


@pytest.fixture
def start(domain_id: int) -> Iterator[Start]:
    """Start the node with one target; afterwards Ctrl-C must end it with exit code 0."""
    running: list[tuple[NodeProcess, PoseClient]] = []

    def run(*arguments: str, topics: tuple[str, ...] = ("pose", "target_pose"), step_s: float = 0.0):
        process = NodeProcess([*FAKE_NODE, str(step_s), "--ros-args", *arguments], domain_id)
        client = PoseClient(domain_id, topics)
        running.append((process, client))
        client.connect()
        client.track(scene())
        answer = client.set_target((100, 50, 40, 30), label="red thing")
        assert answer.success, answer.message
        return process, client

    yield run
    for _, client in running:
        client.close()
    interrupt_all([process for process, _ in running if process.is_running()])


def position(message) -> list[float]:
    place = getattr(message.pose, "pose", message.pose).position
    return [place.x, place.y, place.z]


def is_near(actual: list[float], expected: list[float]) -> bool:
    """True for an error within one percent of the range."""
    return float(np.linalg.norm(np.subtract(actual, expected))) <= 0.01 * float(np.linalg.norm(expected))


@needs_filters
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_pose_velocity_points_and_markers(start: Start, encoding: str) -> None:
    topics = ("pose", "target_pose", "velocity", "points", "markers", "bearing")
    _, client = start("-p", "depth:=true", topics=topics)
    client.encoding = encoding
    for x in range(100, 124, 2):
        pose = client.pose(x)
        assert is_near(position(pose), place(x)), x
    assert pose.header.frame_id == FRAME
    assert pose.pose.pose.orientation.w == pytest.approx(1, abs=0.01)  # it faces the camera, upright
    covariance = np.array(pose.pose.covariance).reshape(6, 6)
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    assert (np.sqrt(np.diag(covariance))[:3] < 0.03).all()
    client.until(
        lambda: all(kept and _header(kept[-1]) == pose.header for kept in client.got.values()), "all"
    )
    got = {topic: kept[-1] for topic, kept in client.got.items()}
    assert position(got["target_pose"]) == position(pose)
    # 2 pixels in 0.1 s at a distance of 1.5 m with a focal length of 300 pixels.
    assert got["velocity"].twist.linear.x == pytest.approx(0.1, abs=0.05)
    assert got["velocity"].twist.linear.z == pytest.approx(0, abs=0.05)
    direction = got["bearing"].vector
    np.testing.assert_allclose(
        [direction.x, direction.y, direction.z], np.array(place(x)) / np.linalg.norm(place(x)), atol=1e-3
    )
    points = np.frombuffer(bytes(got["points"].data), np.float32).reshape(-1, 3)
    assert len(points) == got["points"].width > 300
    np.testing.assert_allclose(points[:, 2], 1.5, atol=1e-3)
    kinds = {item.ns: item for item in got["markers"].markers}
    assert set(kinds) == {"box", "label", "velocity"}
    assert kinds["box"].scale.x == pytest.approx(40 / 300 * 1.5, rel=0.03)
    assert "red thing" in kinds["label"].text


def _header(message):
    return message.markers[0].header if hasattr(message, "markers") else message.header


@needs_filters
def test_tracking_does_not_wait_for_depth_that_comes_late(start: Start) -> None:
    _, client = start("-p", "depth:=true")
    client.pose()
    headers = [client.header() for _ in range(4)]
    for header in headers:
        client.send_picture(scene(), header)
        assert client.arrives(lambda h=header: client.objects[-1].header == h, 5.0)
    assert client.got["pose"][-1].header not in headers
    client.send_depth(depth_picture(), headers[1], 0.01)
    assert client.arrives(lambda: client.got["pose"][-1].header == headers[1], 5.0)
    client.send_depth(depth_picture(), headers[3])
    assert client.arrives(lambda: client.got["pose"][-1].header == headers[3], 5.0)
    client.send_depth(depth_picture(), headers[2])  # older than the newest pose
    client.spin(0.3)
    stamps = [seconds(item.header.stamp) for item in client.got["pose"]]
    assert stamps == sorted(stamps)
    assert headers[2] not in [item.header for item in client.got["pose"]]


@needs_filters
def test_poses_do_not_lag_behind_a_slow_tracker(start: Start) -> None:
    _, client = start("-p", "depth:=true", step_s=0.1)
    client.pose()
    for _ in range(60):
        header = client.header()
        client.send_depth(depth_picture(), header)
        client.send_picture(scene(), header)
        client.spin(0.02)
    assert client.arrives(lambda: client.objects[-1].header == header, 5.0)
    assert client.arrives(lambda: client.got["pose"][-1].header == header, 0.5)
    client.until(lambda: client.statuses[-1].frames_dropped, "the tracker has skipped images")


@needs_filters
def test_poses_resume_after_deactivation(start: Start) -> None:
    _, client = start("-p", "depth:=true")
    client.pose()
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert client.call(ChangeState, "tracker_node/change_state", request).success
    assert is_near(position(client.pose()), place())


@needs_filters
def test_no_pose_of_a_target_that_is_not_visible(start: Start) -> None:
    _, client = start("-p", "depth:=true", topics=("pose", "target_pose", "velocity", "points", "markers"))
    client.pose()
    client.spin(0.2)
    before = {topic: len(kept) for topic, kept in client.got.items()}
    for _ in range(15):
        header = client.header()
        client.send_depth(depth_picture(), header)
        client.send_picture(scene(colour=GREEN), header)
        assert client.arrives(lambda h=header: client.objects[-1].header == h, 5.0)
    client.spin(0.3)
    assert {topic: len(kept) for topic, kept in client.got.items()} == before


@needs_filters
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_depth_without_values_makes_no_pose_and_the_diagnostics_say_so(start: Start, value: float) -> None:
    _, client = start("-p", "depth:=true")
    empty = np.full((240, 320), value, np.float32)
    end = "pixels have a depth, 30 are needed"
    for _ in range(5):
        client.tracked_without_pose(empty)
        if end in client.pose_report():
            break
    assert end in client.pose_report()
    client.pose()  # poses resume with the next valid depth


@needs_filters
def test_depth_that_is_not_registered_is_named_once(start: Start) -> None:
    process, client = start("-p", "depth:=true")
    client.tracked_without_pose(depth_picture()[::2, ::2])
    process.wait_for_text("depth image has 160x120 pixels, the colour image 320x240")
    client.tracked_without_pose(depth_picture(), frame="depth_optical_frame")
    process.wait_for_text("depth is in the frame 'depth_optical_frame'")
    client.tracked_without_pose(depth_picture(), frame="depth_optical_frame")
    assert process.text.count("depth_optical_frame") == 1
    client.pose()


def test_without_camera_info_there_is_one_warning_and_tracking(start: Start) -> None:
    process, client = start("-p", "object_size_m:=0.2")
    client.has_info = False
    client.tracked_without_pose(depth_picture())
    process.wait_for_text("no camera_info on /camera_info")
    assert process.text.count("no camera_info") == 1
    client.has_info = True
    assert client.pose().header.frame_id == FRAME


def test_camera_info_that_was_published_once_and_for_all_arrives(start: Start, domain_id: int) -> None:
    """A driver that starts before the tracker and keeps its message for later subscribers."""
    context = Context()
    rclpy.init(context=context, domain_id=domain_id)
    driver = rclpy.create_node("driver", context=context)
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = driver.create_publisher(CameraInfo, "/once/camera_info", kept)
    publisher.publish(camera_info(Header(frame_id=FRAME)))
    try:
        _, client = start("-p", "object_size_m:=0.2", "-r", "camera_info:=/once/camera_info")
        client.has_info = False
        assert is_near(position(client.pose()), place())
    finally:
        driver.destroy_node()
        rclpy.try_shutdown(context=context)


@needs_filters
def test_depth_too_far_in_time_is_counted_and_named(start: Start) -> None:
    process, client = start("-p", "depth:=true", "-p", "depth_slop_s:=0.01")
    for _ in range(3):
        header = client.header()
        client.send_depth(depth_picture(), header, 0.04)
        client.send_picture(scene(), header)
        client.spin(0.4)
    process.wait_for_text("images had no depth within 0.01 s; the newest depth image is +0.040 s")
    assert not client.got["pose"]


@needs_filters
def test_depth_that_does_not_come_is_named(start: Start) -> None:
    process, client = start("-p", "depth:=true")
    for _ in range(5):
        client.track(scene())
    process.wait_for_text("no depth image on /depth (1 publishers)")


@needs_filters
def test_poses_resume_when_a_recording_restarts(start: Start) -> None:
    _, client = start("-p", "depth:=true")
    for _ in range(3):
        for x in range(100, 140, 4):
            assert is_near(position(client.pose(x)), place(x))
        client.jump_to(1000.0)
        client.pose()


def test_range_and_bearing_without_depth(start: Start) -> None:
    _, client = start("-p", "object_size_m:=0.2", topics=("pose", "bearing", "points"))
    for x in (100, 104, 108):
        pose = client.pose(x)
        # With a focal length of 300 pixels, 40 pixels are 0.2 m at a distance of 1.5 m.
        assert position(pose) == pytest.approx(place(x), abs=0.02)
    covariance = np.array(pose.pose.covariance).reshape(6, 6)
    assert covariance[2, 2] > 10 * covariance[0, 0]
    assert client.got["bearing"]
    assert not client.got["points"]
    assert client.set_parameters(object_size_m=0.4).successful
    assert client.pose(108).header.frame_id == FRAME


def test_without_depth_and_size_there_is_only_the_bearing(start: Start) -> None:
    process, client = start(topics=("pose", "bearing"))
    client.tracked_without_pose(depth_picture())
    client.until(lambda: client.got["bearing"], "the bearing comes")
    assert client.arrives(lambda: "object_size_m" in client.pose_report(), 3.0)
    assert "WARN" not in process.text


@needs_filters
def test_one_of_several_targets_is_chosen(start: Start) -> None:
    _, client = start("-p", "depth:=true")
    picture = scene(x=30)
    picture[150:180, 200:240] = GREEN
    depth_m = np.minimum(depth_picture(30), depth_picture(200, 150, 2.0))

    def pose_at(stop: Callable[[], bool]) -> None:
        for _ in range(30):
            header = client.header()
            client.send_depth(depth_m, header)
            client.send_picture(picture, header)
            if (
                client.arrives(lambda h=header: client.got["pose"] and client.got["pose"][-1].header == h)
                and stop()
            ):
                return
        raise AssertionError("no such pose")

    client.track(picture)
    assert client.set_target((200, 150, 40, 30), id="green").success
    pose_at(lambda: is_near(position(client.got["pose"][-1]), place(30)))
    assert client.set_parameters(pose_target="green").successful
    pose_at(lambda: is_near(position(client.got["pose"][-1]), place(200, 150, 2.0)))


def is_at(pose: PoseWithCovarianceStamped, x: int, y: int) -> bool:
    """Return True for the pose of the target there; the other one is 1 m away."""
    return bool(np.linalg.norm(np.subtract(position(pose), place(x, y))) < 0.3)


def two_targets(
    start: Start, *topics: str, pose_target: str = "target", step_s: float = 0.0
) -> tuple[PoseClient, np.ndarray, np.ndarray]:
    """Start the node with the targets "target" (red) and "green".

    Return also the picture of both and that of the green one alone.
    """
    parameters = ("object_size_m:=0.2", f"pose_target:='{pose_target}'", "frame_buffer_s:=10.0")
    arguments = [word for parameter in parameters for word in ("-p", parameter)]
    _, client = start(*arguments, topics=("pose", *topics), step_s=step_s)
    picture = scene(x=30)
    picture[150:180, 200:240] = GREEN
    only_green = picture.copy()
    only_green[50:80] = 20
    client.track(picture)
    assert client.set_target((30, 50, 40, 30)).success
    assert client.set_target((200, 150, 40, 30), id="green").success
    return client, picture, only_green


def shown_until(client: PoseClient, picture: np.ndarray, is_true: Callable[[Header], object]) -> None:
    """Publish a picture until something is true of one of its headers."""
    for _ in range(30):
        header = client.header()
        client.send_picture(picture, header)
        if client.arrives(lambda h=header: is_true(h)):
            return
    raise AssertionError("not with one of thirty images")


def test_the_pose_stays_with_one_target_until_that_is_removed(start: Start) -> None:
    """A robot that follows it must not drive on to a stranger when its target is hidden."""
    client, picture, only_green = two_targets(
        start, "target_pose", "bearing", "tracked_poses", pose_target=""
    )
    pose, kept = client.got["pose"], client.got["tracked_poses"]

    def has_pose(header: Header) -> bool:
        return bool(pose and pose[-1].header == header)

    def has_both(header: Header) -> bool:
        return bool(kept and kept[-1].header == header and len(kept[-1].poses) == 2)

    shown_until(client, picture, has_both)
    shown_until(client, picture, has_pose)
    assert is_at(pose[-1], 30, 50)
    client.spin(0.3)
    own = [client.got[topic] for topic in ("pose", "target_pose", "bearing")]
    for topic in own:
        topic.clear()
    for _ in range(20):  # until it is LOST, and longer
        shown_until(client, only_green, lambda header: kept[-1].header == header)
    client.spin(0.3)
    assert own == [[], [], []]
    shown_until(client, picture, has_pose)
    assert is_at(pose[-1], 30, 50)
    assert client.remove_target("target").success
    shown_until(client, only_green, has_pose)
    assert is_at(pose[-1], 200, 150)


def test_the_pose_does_not_change_over_while_its_target_is_set_again(start: Start) -> None:
    """A target that is set on an older image is left out of the results until it has caught up."""
    client, picture, _ = two_targets(start, "tracked_poses", pose_target="", step_s=0.09)
    pose, kept = client.got["pose"], client.got["tracked_poses"]
    headers = []
    for _ in range(6):
        shown_until(client, picture, lambda header: kept and kept[-1].header == header)
        headers.append(kept[-1].header)
        client.spin(0.1)
    answer = client.set_target((30, 50, 40, 30), stamp=headers[0].stamp)
    assert answer.success, answer.message
    for _ in range(10):
        shown_until(client, picture, lambda header: kept[-1].header == header)
    assert all(is_at(item, 30, 50) for item in pose)


def test_every_pose_has_the_id_of_its_target(start: Start) -> None:
    client, picture, hidden = two_targets(start, "tracked_poses")
    kept = client.got["tracked_poses"]
    for shown, ids in ((picture, ["target", "green"]), (hidden, ["green"]), (picture, ["target", "green"])):
        for _ in range(30):
            header = client.header()
            client.send_picture(shown, header)
            if client.arrives(lambda h=header: kept and kept[-1].header == h):
                break
        assert kept[-1].header == header
        poses = {item.id: item.pose for item in kept[-1].poses}
        assert list(poses) == ids
        for id, pose in poses.items():
            expected = place(30, 50) if id == "target" else place(200, 150)
            assert position(pose) == pytest.approx(expected, abs=0.15)  # the other one is 1 m away
            assert (np.linalg.eigvalsh(np.array(pose.covariance).reshape(6, 6)) > 0).all()


def test_the_filter_of_a_target_survives_an_image_that_shows_only_another_one(start: Start) -> None:
    """A filter that starts again knows no velocity in its first image."""
    client, picture, hidden = two_targets(start, "velocity", "tracked_poses")

    kept = client.got["tracked_poses"]

    def show(shown: np.ndarray):
        for _ in range(30):
            header = client.header()
            client.send_picture(shown, header)
            if client.arrives(lambda h=header: kept and kept[-1].header == h):
                return header
        raise AssertionError("no poses")

    for _ in range(5):
        show(picture)
    for _ in range(3):
        show(hidden)
        header = show(picture)
        client.spin(0.2)
        assert client.got["pose"][-1].header == header
        assert client.got["velocity"][-1].header == header


def test_there_is_no_warning_about_poses_without_subscribers(start: Start) -> None:
    process, client = start(topics=())
    client.has_info = False
    for _ in range(5):
        client.track(scene())
    assert "camera_info" not in process.text


@pytest.mark.skipif(HAS_FILTERS, reason="message_filters is here")
def test_depth_without_message_filters_names_the_package(domain_id: int) -> None:
    process = NodeProcess([*FAKE_NODE, "0", "--ros-args", "-p", "depth:=true"], domain_id)
    assert process.wait() == 1
    assert "apt install ros-$ROS_DISTRO-message-filters" in process.text


@pytest.mark.skipif(importlib.util.find_spec("tf2_ros") is not None, reason="tf2_ros is here")
def test_transforms_without_tf2_ros_name_the_package(domain_id: int) -> None:
    process = NodeProcess([*FAKE_NODE, "0", "--ros-args", "-p", "publish_tf:=true"], domain_id)
    assert process.wait() == 1
    assert "apt install ros-$ROS_DISTRO-tf2-ros-py" in process.text


def test_transforms(start: Start) -> None:
    pytest.importorskip("tf2_ros", reason="tf2_ros is not on PyPI; it comes with ROS 2")
    from tf2_msgs.msg import TFMessage

    _, client = start("-p", "object_size_m:=0.2", "-p", "publish_tf:=true")
    transforms = client.listen(TFMessage, "/tf", absolute=True)
    pose = client.pose()
    client.until(lambda: any(item.transforms[0].header == pose.header for item in transforms), "tf comes")
    (newest,) = transforms[-1].transforms
    assert newest.child_frame_id == "tracker_node/target"
    assert newest.transform.translation.z == pytest.approx(1.5, abs=0.03)


def test_detections(start: Start) -> None:
    messages = pytest.importorskip(
        "vision_msgs.msg", reason="vision_msgs is not on PyPI; it comes with ROS 2"
    )
    _, client = start("-p", "object_size_m:=0.2")
    flat = client.listen(messages.Detection2DArray, "detections")
    solid = client.listen(messages.Detection3DArray, "detections_3d")
    pose = client.pose()
    client.until(lambda: flat and solid and solid[-1].header == pose.header, "detections come")
    (seen,) = flat[-1].detections
    assert (seen.id, seen.results[0].hypothesis.class_id) == ("target", "red thing")
    assert seen.results[0].hypothesis.score == pytest.approx(0.9)
    assert (seen.bbox.center.position.x, seen.bbox.size_x) == (120, 40)
    (body,) = solid[-1].detections
    assert body.bbox.center == pose.pose.pose
    assert body.bbox.size.x == pytest.approx(0.2, rel=0.05)
