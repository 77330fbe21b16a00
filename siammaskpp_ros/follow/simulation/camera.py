"""The simulated depth camera: a pinhole in a room with one person. numpy and OpenCV, no ROS.

The camera is level and looks along the robot's forward axis. Pixel (u, v) is the centre of column u and
row v.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from siammaskpp_core.arrays import AnyArray, Float32Array, Image
from siammaskpp_ros.follow.simulation.scene import (
    CAMERA_HEIGHT_M,
    PERSON_M,
    ROOM_M,
    Robot,
    draw_floor,
    draw_person,
    draw_wall,
)

FIELD_OF_VIEW_RAD = math.radians(75)
"""Horizontal field of view."""
_TEXTURE_PX_PER_M = 60.0
_STRIDE_M = 0.35  # distance walked for one radian of the leg movement
_NEAR_M = 0.25  # near clipping distance


@dataclass(frozen=True)
class Rendered:
    """A rendered image: the picture, its depth, and the true box of the person."""

    picture: Image
    """[H, W, 3] BGR."""
    depth_m: Float32Array
    """[H, W] along the optical axis; 0 where nothing was measured."""
    person_xywh_px: tuple[float, float, float, float] | None
    """None: the person is hidden or outside the picture."""


@dataclass(frozen=True)
class SimulatedCamera:
    """A camera of `width` x `height` pixels; `seed` decides walls, floor and noise."""

    width: int
    height: int
    seed: int

    @cached_property
    def focal_px(self) -> float:
        """Focal length, the same in both directions."""
        return self.width / 2 / math.tan(FIELD_OF_VIEW_RAD / 2)

    @cached_property
    def center_px(self) -> tuple[float, float]:
        """Principal point (u, v)."""
        return (self.width - 1) / 2, (self.height - 1) / 2

    @cached_property
    def _textures(self) -> tuple[Image, Image]:
        rng = np.random.default_rng(self.seed)
        return draw_floor(rng), draw_wall(rng)

    def render(
        self, robot: Robot, person_m: tuple[float, float] | None, walked_m: float, frame: int
    ) -> Rendered:
        """Return the image seen from the pose of `robot`.

        `person_m` is the person's position in the world frame, None to hide them; `walked_m` decides the
        position of their legs; the frame number decides the depth noise.
        """
        picture, depth_m = self._render_room(robot)
        box = None
        if person_m is not None:
            forward_m, left_m = robot.to_robot_frame(*person_m)
            if forward_m > _NEAR_M:
                box = self._render_person(picture, depth_m, forward_m, left_m, walked_m)
        rng = np.random.default_rng((self.seed, frame))
        return Rendered(picture, _with_sensor_noise(depth_m, rng), box)

    def _render_room(self, robot: Robot) -> tuple[Image, Float32Array]:
        """Return picture and exact depth of floor and walls."""
        (u0, v0), focal = self.center_px, self.focal_px
        right = (np.arange(self.width, dtype=np.float32) - u0) / focal
        down = (np.arange(self.height, dtype=np.float32) - v0) / focal
        cos, sin = math.cos(robot.yaw_rad), math.sin(robot.yaw_rad)
        ray_x, ray_y = cos + right * sin, sin - right * cos  # along the floor, for a depth of one metre
        to_x, to_y = _wall_depth(robot.x_m, ray_x), _wall_depth(robot.y_m, ray_y)
        wall_m = np.minimum(to_x, to_y)
        with np.errstate(divide="ignore"):
            floor_m = np.where(down > 0, CAMERA_HEIGHT_M / down, np.inf)
        depth = np.minimum(wall_m[None, :], floor_m[:, None]).astype(np.float32)
        x, y = robot.x_m + depth * ray_x, robot.y_m + depth * ray_y
        is_floor = floor_m[:, None] < wall_m[None, :]
        along_wall = np.where(to_x < to_y, y, x)
        floor_texture, wall_texture = self._textures
        picture = _sampled(wall_texture, along_wall, depth * down[:, None] - CAMERA_HEIGHT_M)
        cv2.copyTo(_sampled(floor_texture, x, y), is_floor.astype(np.uint8), picture)
        return picture, depth

    def _render_person(
        self, picture: Image, depth: Float32Array, forward_m: float, left_m: float, walked_m: float
    ) -> tuple[float, float, float, float] | None:
        """Draw the person, facing the camera, into picture and depth; return their box in the picture."""
        sprite = draw_person(round(math.sin(walked_m / _STRIDE_M) * 4) / 4)
        height_px, width_px = sprite.shape[:2]
        scale = PERSON_M[1] / height_px * self.focal_px / forward_m
        u = self.center_px[0] - self.focal_px * left_m / forward_m - (width_px - 1) / 2 * scale
        bottom = self.center_px[1] + self.focal_px * CAMERA_HEIGHT_M / forward_m
        transform = np.array([[scale, 0, u], [0, scale, bottom - (height_px - 1) * scale]], np.float32)
        drawn = cv2.warpAffine(sprite, transform, (self.width, self.height), flags=cv2.INTER_LINEAR)
        x, y, width, height = cv2.boundingRect((drawn[:, :, 3] > 127).astype(np.uint8))
        if not width:
            return None
        rows, columns = slice(max(y - 2, 0), y + height + 2), slice(max(x - 2, 0), x + width + 2)
        part = drawn[rows, columns].astype(np.float32)
        alpha = part[:, :, 3:] / 255
        picture[rows, columns] = np.rint(part[:, :, :3] + (1 - alpha) * picture[rows, columns])
        depth[rows, columns][alpha[:, :, 0] > 0.5] = forward_m
        return float(x), float(y), float(width), float(height)


def _wall_depth(position_m: float, ray: Float32Array) -> Float32Array:
    """Return the depth at which rays meet the two walls that are perpendicular to one axis."""
    safe = np.where(np.abs(ray) < 1e-6, np.float32(1e-6), ray)
    return np.asarray((np.copysign(ROOM_M, safe) - position_m) / safe, np.float32)


def _sampled(texture: Image, right_m: AnyArray, down_m: AnyArray) -> Image:
    """Return the colours of the texture, repeated without end, at these positions."""
    height, width = texture.shape[:2]
    u = np.mod(right_m * _TEXTURE_PX_PER_M, width).astype(np.float32)
    v = np.mod(down_m * _TEXTURE_PX_PER_M, height).astype(np.float32)
    return np.asarray(cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.uint8)


def _with_sensor_noise(depth_m: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Return the depth as a sensor measures it: noise grows with the squared depth, 1 % are holes."""
    noise = rng.standard_normal(depth_m.shape, np.float32)
    noisy = depth_m + (0.001 + 0.0015 * depth_m * depth_m) * noise
    noisy[rng.random(depth_m.shape, np.float32) < 0.01] = 0
    return np.asarray(noisy, np.float32)
