"""The simulation from above: the room, the paths of robot and person, and the camera's field of view."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import Image
from siammaskpp_ros.follow.simulation.scene import ROOM_M, Robot

_SIDE_PX = 480
_PX_PER_M = _SIDE_PX / (2 * ROOM_M + 0.6)
_BACKGROUND_BGR = (245, 245, 245)
_WALL_BGR = (90, 90, 90)
_ROBOT_BGR = (170, 90, 20)
_PERSON_BGR = (60, 60, 200)
_FIELD_OF_VIEW_BGR = (225, 210, 190)
_FIELD_OF_VIEW_M = 3.0  # length of the drawn sector
_PATH_STEP_M = 0.05  # distance between two points of a path

Point = tuple[float, float]


class TopView:
    """Keeps the paths of robot and person and draws them; x points right and y up."""

    def __init__(self) -> None:
        self._paths: tuple[list[Point], list[Point]] = ([], [])

    def add(self, robot: Robot, person_m: Point) -> None:
        """Append the current positions, in the world frame, to the paths."""
        for path, position in zip(self._paths, ((robot.x_m, robot.y_m), person_m), strict=True):
            if not path or math.dist(path[-1], position) >= _PATH_STEP_M:
                path.append(position)

    def draw(self, robot: Robot, person_m: Point | None, field_of_view_rad: float) -> Image:
        """Return the drawing, [480, 480, 3] BGR; `person_m` is None while the person is hidden."""
        picture = np.full((_SIDE_PX, _SIDE_PX, 3), _BACKGROUND_BGR, np.uint8)
        here = (robot.x_m, robot.y_m)
        half_rad = field_of_view_rad / 2
        arc = [_ahead(robot, angle, _FIELD_OF_VIEW_M) for angle in np.linspace(-half_rad, half_rad, 12)]
        cv2.fillPoly(picture, [_pixels([here, *arc])], _FIELD_OF_VIEW_BGR, cv2.LINE_AA)
        corners = [(-ROOM_M, -ROOM_M), (ROOM_M, -ROOM_M), (ROOM_M, ROOM_M), (-ROOM_M, ROOM_M)]
        cv2.polylines(picture, [_pixels(corners)], True, _WALL_BGR, 3, cv2.LINE_AA)
        for path, colour in zip(self._paths, (_ROBOT_BGR, _PERSON_BGR), strict=True):
            if len(path) > 1:
                cv2.polylines(picture, [_pixels(path)], False, colour, 2, cv2.LINE_AA)
        body = [_ahead(robot, angle, 0.3) for angle in (0.0, 2.5, -2.5)]
        cv2.fillPoly(picture, [_pixels(body)], _ROBOT_BGR, cv2.LINE_AA)
        if person_m is not None:
            x, y = _pixels([person_m])[0].tolist()
            cv2.circle(picture, (x, y), 8, _PERSON_BGR, -1, cv2.LINE_AA)
        return picture


def _ahead(robot: Robot, angle_rad: float, distance_m: float) -> Point:
    """Return the point at this bearing and distance from the robot, in the world frame."""
    yaw = robot.yaw_rad + angle_rad
    return robot.x_m + distance_m * math.cos(yaw), robot.y_m + distance_m * math.sin(yaw)


def _pixels(points: list[Point]) -> NDArray[np.int32]:
    """Return the positions [N, 2] of points of the world frame in the drawing."""
    positions = np.asarray(points) * (_PX_PER_M, -_PX_PER_M) + _SIDE_PX / 2
    return np.rint(positions).astype(np.int32)
