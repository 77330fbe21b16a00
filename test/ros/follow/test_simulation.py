"""The simulation: geometry against independent formulas, and the same pictures for the same seed."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from siammaskpp_ros.follow.simulation.camera import FIELD_OF_VIEW_RAD, SimulatedCamera
from siammaskpp_ros.follow.simulation.scene import CAMERA_HEIGHT_M, PERSON_M, ROOM_M, Robot, Walk
from siammaskpp_ros.follow.simulation.top_view import TopView

CAMERA = SimulatedCamera(320, 240, seed=3)
FOCAL_PX = 160 / math.tan(FIELD_OF_VIEW_RAD / 2)
CENTER_PX = (159.5, 119.5)


def mean_depth(depth_m: np.ndarray) -> float:
    return float(np.mean(depth_m[depth_m > 0]))


def test_the_depth_of_the_walls() -> None:
    robot = Robot(x_m=1.0, y_m=-2.0, yaw_rad=0.0)
    depth = CAMERA.render(robot, None, 0.0, frame=1).depth_m
    assert mean_depth(depth[:20, 150:170]) == pytest.approx(ROOM_M - 1.0, rel=0.01)
    robot.yaw_rad = math.pi / 2
    depth = CAMERA.render(robot, None, 0.0, frame=1).depth_m
    assert mean_depth(depth[:20, 150:170]) == pytest.approx(ROOM_M + 2.0, rel=0.01)


def test_the_floor_is_below_the_camera_by_its_height() -> None:
    depth = CAMERA.render(Robot(), None, 0.0, frame=1).depth_m
    for row in (180, 210, 239):
        assert mean_depth(depth[row]) == pytest.approx(
            CAMERA_HEIGHT_M * FOCAL_PX / (row - CENTER_PX[1]), rel=0.01
        )


@pytest.mark.parametrize(("forward", "left"), [(2.5, 0.0), (3.0, 0.8), (4.0, -1.5)])
def test_the_person_stands_in_picture_and_depth_where_a_pinhole_sees_them(
    forward: float, left: float
) -> None:
    robot = Robot(x_m=0.5, y_m=-0.25, yaw_rad=0.7)
    person = (
        0.5 + forward * math.cos(0.7) - left * math.sin(0.7),
        -0.25 + forward * math.sin(0.7) + left * math.cos(0.7),
    )
    image = CAMERA.render(robot, person, 0.0, frame=1)
    assert image.person_xywh_px is not None
    x, y, width, height = image.person_xywh_px
    assert x + width / 2 == pytest.approx(CENTER_PX[0] + 0.5 - FOCAL_PX * left / forward, abs=2)
    assert y + height == pytest.approx(CENTER_PX[1] + FOCAL_PX * CAMERA_HEIGHT_M / forward, abs=3)
    assert height == pytest.approx(FOCAL_PX * PERSON_M[1] / forward, rel=0.05)
    shirt = cv2.inRange(image.picture, (50, 50, 190), (70, 70, 210)) > 0
    assert shirt.sum() > 200
    assert np.median(image.depth_m[shirt]) == pytest.approx(forward, abs=0.01)


def test_hidden_behind_or_beside_the_camera_nobody_is_seen() -> None:
    for person in (None, (-2.0, 0.0), (0.5, 4.0)):
        image = CAMERA.render(Robot(), person, 0.0, frame=1)
        assert image.person_xywh_px is None
        assert not cv2.inRange(image.picture, (50, 50, 190), (70, 70, 210)).any()


def test_a_person_at_the_edge_is_cut_off() -> None:
    edge_m = 3.0 * 160 / FOCAL_PX  # the edge of the picture at a distance of 3 m
    image = CAMERA.render(Robot(), (3.0, -edge_m), 0.0, frame=1)
    assert image.person_xywh_px is not None
    x, _, width, _ = image.person_xywh_px
    assert x + width == 320
    assert width == pytest.approx(PERSON_M[0] / 2 * FOCAL_PX / 3.0, rel=0.15)


def test_the_same_seed_gives_the_same_pictures() -> None:
    def render(seed: int) -> tuple[np.ndarray, np.ndarray]:
        image = SimulatedCamera(320, 240, seed).render(Robot(), Walk(seed, 0.4).position(9.0), 1.0, frame=7)
        return image.picture, image.depth_m

    for one, other in zip(render(5), render(5), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(render(5), render(6), strict=True):
        assert not np.array_equal(one, other)


@pytest.mark.parametrize("seed", range(8))
def test_the_walk_stays_in_the_room_and_begins_slowly(seed: int) -> None:
    walk = Walk(seed, 0.5)
    places = np.array([walk.position(time_s) for time_s in np.arange(0, 120, 0.1)])
    assert np.abs(places).max() < ROOM_M - 1.5
    speeds = np.hypot(*np.diff(places, axis=0).T) / 0.1
    assert speeds[:39].max() == 0.0  # stands still at first
    assert speeds[:45].max() < 0.2
    assert 0.45 < speeds[70:].mean() < 0.65
    np.testing.assert_array_equal(Walk(seed, 0.0).position(90.0), walk.position(0.0))


def test_the_robot_turns_and_drives_as_commanded_within_its_limits() -> None:
    robot = Robot()
    for _ in range(250):  # a quarter of a circle of radius 0.5 / 0.5 = 1 m takes pi s
        robot.command(0.5, 0.5)
        robot.step(0.02)
    assert robot.speed_mps == pytest.approx(0.5)
    centre = (robot.x_m - math.sin(robot.yaw_rad), robot.y_m + math.cos(robot.yaw_rad))
    assert centre == pytest.approx((0.0, 1.0), abs=0.06)
    robot.command(-0.5, 0.0)
    robot.step(0.02)
    assert robot.speed_mps == pytest.approx(0.5 - 2.5 * 0.02)


def test_without_commands_the_robot_stops_by_itself() -> None:
    robot = Robot()
    robot.command(0.5, 0.0)
    for _ in range(24):
        robot.step(0.02)
    assert robot.speed_mps == pytest.approx(0.5)
    for _ in range(13):
        robot.step(0.02)
    assert robot.speed_mps == 0.0


def test_the_top_view_shows_both_at_their_positions() -> None:
    view, robot = TopView(), Robot(x_m=-3.0, y_m=2.0)
    view.add(robot, (3.0, -2.0))
    picture = view.draw(robot, (3.0, -2.0), FIELD_OF_VIEW_RAD)
    scale = 480 / (2 * ROOM_M + 0.6)
    assert tuple(picture[round(240 + 2.0 * scale), round(240 + 3.0 * scale)]) == (60, 60, 200)
    assert tuple(picture[round(240 - 2.0 * scale), round(240 - 3.0 * scale)]) == (170, 90, 20)
    hidden = view.draw(robot, None, FIELD_OF_VIEW_RAD)
    assert tuple(hidden[round(240 + 2.0 * scale), round(240 + 3.0 * scale)]) == (245, 245, 245)
