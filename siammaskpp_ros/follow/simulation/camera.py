"""The simulated depth camera: a room with a person in it, seen by a pinhole. numpy and OpenCV, no ROS.

The camera looks level along the robot's forward axis. Pixel (u, v) is the centre of column u and row v.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_ros.follow.simulation.scene import Robot, floor, person, wall

ROOM_M = 6.5  # half the side of the square room
CAMERA_HEIGHT_M = 0.9
PERSON_M = (0.66, 1.7)  # width and height
FIELD_OF_VIEW_RAD = math.radians(75)  # horizontal
_TEXTURE_PX_PER_M = 60.0
_NEAREST_M = 0.25  # nearer things are not drawn


@dataclass(frozen=True)
class View:
    """One picture of the camera."""

    picture: NDArray[np.uint8]  # HxWx3 BGR
    depth_m: NDArray[np.float32]  # HxW along the optical axis; 0 where nothing was measured
    person_xywh_px: tuple[float, float, float, float] | None  # None: hidden or outside the picture


@dataclass(frozen=True)
class Camera:
    """A camera of `width` x `height` pixels in a room whose walls, floor and noise come from `seed`."""

    width: int
    height: int
    seed: int

    @cached_property
    def focal_px(self) -> float:
        """Focal length, the same in both directions."""
        return self.width / 2 / math.tan(FIELD_OF_VIEW_RAD / 2)

    @cached_property
    def center_px(self) -> tuple[float, float]:
        """The principal point, u and v."""
        return (self.width - 1) / 2, (self.height - 1) / 2

    @cached_property
    def _textures(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        rng = np.random.default_rng(self.seed)
        return floor(rng), wall(rng)

    def look(self, robot: Robot, person_m: tuple[float, float] | None, walked_m: float, frame: int) -> View:
        """Picture number `frame` from where the robot is; `walked_m` moves the person's legs."""
        picture, depth = self._room(robot)
        box = None
        if person_m is not None:
            forward, left = robot.sees(*person_m)
            if forward > _NEAREST_M:
                box = self._draw_person(picture, depth, forward, left, walked_m)
        rng = np.random.default_rng((self.seed, frame))
        return View(picture, _measured(depth, rng), box)

    def _room(self, robot: Robot) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Picture and exact depth of floor and walls."""
        (u0, v0), focal = self.center_px, self.focal_px
        right = (np.arange(self.width, dtype=np.float32) - u0) / focal
        down = (np.arange(self.height, dtype=np.float32) - v0) / focal
        cos, sin = math.cos(robot.yaw_rad), math.sin(robot.yaw_rad)
        ray_x, ray_y = cos + right * sin, sin - right * cos  # along the floor, for one metre of depth
        to_x, to_y = _to_wall(robot.x_m, ray_x), _to_wall(robot.y_m, ray_y)
        wall_m = np.minimum(to_x, to_y)
        with np.errstate(divide="ignore"):
            floor_m = np.where(down > 0, CAMERA_HEIGHT_M / down, np.inf)
        depth = np.minimum(wall_m[None, :], floor_m[:, None]).astype(np.float32)
        x, y = robot.x_m + depth * ray_x, robot.y_m + depth * ray_y
        is_floor = floor_m[:, None] < wall_m[None, :]
        along = np.where(to_x < to_y, y, x)  # of the wall that is hit
        floor_texture, wall_texture = self._textures
        picture = _lookup(wall_texture, along, depth * down[:, None] - CAMERA_HEIGHT_M)
        cv2.copyTo(_lookup(floor_texture, x, y), is_floor.astype(np.uint8), picture)
        return picture, depth

    def _draw_person(
        self,
        picture: NDArray[np.uint8],
        depth: NDArray[np.float32],
        forward_m: float,
        left_m: float,
        walked_m: float,
    ) -> tuple[float, float, float, float] | None:
        """Draw the person, always facing the camera, into picture and depth; the box in the picture."""
        sprite = person(round(math.sin(walked_m / 0.35) * 4) / 4)
        height_px, width_px = sprite.shape[:2]
        scale = PERSON_M[1] / height_px * self.focal_px / forward_m
        u = self.center_px[0] - self.focal_px * left_m / forward_m - (width_px - 1) / 2 * scale
        bottom = self.center_px[1] + self.focal_px * CAMERA_HEIGHT_M / forward_m
        move = np.array([[scale, 0, u], [0, scale, bottom - (height_px - 1) * scale]], np.float32)
        drawn = cv2.warpAffine(sprite, move, (self.width, self.height), flags=cv2.INTER_LINEAR)
        x, y, width, height = cv2.boundingRect((drawn[:, :, 3] > 127).astype(np.uint8))
        if not width:
            return None
        rows, columns = slice(max(y - 2, 0), y + height + 2), slice(max(x - 2, 0), x + width + 2)
        part = drawn[rows, columns].astype(np.float32)
        alpha = part[:, :, 3:] / 255
        picture[rows, columns] = np.rint(part[:, :, :3] + (1 - alpha) * picture[rows, columns])
        depth[rows, columns][alpha[:, :, 0] > 0.5] = forward_m
        return float(x), float(y), float(width), float(height)


def _to_wall(position_m: float, ray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth at which rays meet the two walls across one axis."""
    safe = np.where(np.abs(ray) < 1e-6, np.float32(1e-6), ray)
    return np.asarray((np.copysign(ROOM_M, safe) - position_m) / safe, np.float32)


def _lookup(
    texture: NDArray[np.uint8], right_m: NDArray[np.floating], down_m: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """The texture, repeated for ever, at these places."""
    height, width = texture.shape[:2]
    u = np.mod(right_m * _TEXTURE_PX_PER_M, width).astype(np.float32)
    v = np.mod(down_m * _TEXTURE_PX_PER_M, height).astype(np.float32)
    return np.asarray(cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.uint8)


def _measured(depth: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The depth as a camera gives it: noise that grows with the square, a hundredth of holes."""
    noise = rng.standard_normal(depth.shape, np.float32)
    noisy = depth + (0.001 + 0.0015 * depth * depth) * noise
    noisy[rng.random(depth.shape, np.float32) < 0.01] = 0
    return np.asarray(noisy, np.float32)
