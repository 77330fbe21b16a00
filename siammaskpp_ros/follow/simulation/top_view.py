"""The simulation from above: the room, where robot and person have walked, and what the camera can see."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_ros.follow.simulation.camera import ROOM_M
from siammaskpp_ros.follow.simulation.scene import Robot

_SIDE_PX = 480
_PX_PER_M = _SIDE_PX / (2 * ROOM_M + 0.6)
_PAPER, _WALL, _ROBOT, _PERSON, _SIGHT = (
    (245, 245, 245),
    (90, 90, 90),
    (170, 90, 20),
    (60, 60, 200),
    (225, 210, 190),
)
_SIGHT_M = 3.0
_STEP_M = 0.05  # a trail gets a point when it has grown by so much

Point = tuple[float, float]


class TopView:
    """Remembers the trails and draws them; x is to the right and y upwards."""

    def __init__(self) -> None:
        self._trails: tuple[list[Point], list[Point]] = ([], [])

    def add(self, robot: Robot, person_m: Point) -> None:
        """Note where both are now."""
        for trail, place in zip(self._trails, ((robot.x_m, robot.y_m), person_m), strict=True):
            if not trail or math.dist(trail[-1], place) >= _STEP_M:
                trail.append(place)

    def draw(self, robot: Robot, person_m: Point | None, field_of_view_rad: float) -> NDArray[np.uint8]:
        """480x480x3 BGR; `person_m` is None while the person is hidden."""
        picture = np.full((_SIDE_PX, _SIDE_PX, 3), _PAPER, np.uint8)
        here = (robot.x_m, robot.y_m)
        half_rad = field_of_view_rad / 2
        edge = [_ahead(robot, angle, _SIGHT_M) for angle in np.linspace(-half_rad, half_rad, 12)]
        cv2.fillPoly(picture, [_pixels([here, *edge])], _SIGHT, cv2.LINE_AA)
        corners = [(-ROOM_M, -ROOM_M), (ROOM_M, -ROOM_M), (ROOM_M, ROOM_M), (-ROOM_M, ROOM_M)]
        cv2.polylines(picture, [_pixels(corners)], True, _WALL, 3, cv2.LINE_AA)
        for trail, colour in zip(self._trails, (_ROBOT, _PERSON), strict=True):
            if len(trail) > 1:
                cv2.polylines(picture, [_pixels(trail)], False, colour, 2, cv2.LINE_AA)
        body = [_ahead(robot, angle, 0.3) for angle in (0.0, 2.5, -2.5)]
        cv2.fillPoly(picture, [_pixels(body)], _ROBOT, cv2.LINE_AA)
        if person_m is not None:
            x, y = _pixels([person_m])[0].tolist()
            cv2.circle(picture, (x, y), 8, _PERSON, -1, cv2.LINE_AA)
        return picture


def _ahead(robot: Robot, angle_rad: float, distance_m: float) -> Point:
    """The point that the robot sees at this angle and distance."""
    yaw = robot.yaw_rad + angle_rad
    return robot.x_m + distance_m * math.cos(yaw), robot.y_m + distance_m * math.sin(yaw)


def _pixels(points: list[Point]) -> NDArray[np.int32]:
    places = np.asarray(points) * (_PX_PER_M, -_PX_PER_M) + _SIDE_PX / 2
    return np.rint(places).astype(np.int32)
