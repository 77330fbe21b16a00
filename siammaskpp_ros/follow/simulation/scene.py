"""The simulated scene: a planar robot (unicycle), a walking person, and the pictures of both. No ROS.

World frame: x and y along the floor, z up; angles from x towards y. Robot frame: x forward, y left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from siammaskpp_core.arrays import Float32Array, Image

ROOM_M = 6.5
"""Half the side of the square room, whose centre is the origin of the world frame."""
CAMERA_HEIGHT_M = 0.9
"""Height of the robot's camera above the floor."""
PERSON_M = (0.66, 1.7)
"""Width and height of the person."""

_MAX_ACCELERATION_MPS2 = 2.5
_MAX_TURN_ACCELERATION_RADPS2 = 6.0
_COMMAND_TIMEOUT_S = 0.5  # the robot's base brakes by itself when no command arrives

_PATH_RADIUS_M = 3.3  # mean radius of the person's path
_START_S = 4.0  # the person stands still until then
_SPEED_UP_S = 2.0  # and then takes this long to reach full speed


@dataclass
class Robot:
    """A robot that reaches its commanded velocity as fast as its motors allow."""

    x_m: float = 0.0
    y_m: float = 0.0
    yaw_rad: float = 0.0
    speed_mps: float = 0.0
    turn_radps: float = 0.0
    _command: tuple[float, float] = (0.0, 0.0)
    _command_age_s: float = 0.0

    def command(self, speed_mps: float, turn_radps: float) -> None:
        """Set the commanded velocity, which expires after half a second; what is not finite means zero."""
        is_finite = math.isfinite(speed_mps) and math.isfinite(turn_radps)
        self._command, self._command_age_s = (speed_mps, turn_radps) if is_finite else (0.0, 0.0), 0.0

    def step(self, dt_s: float) -> None:
        """Advance the simulation by `dt_s`."""
        self._command_age_s += dt_s
        speed, turn = self._command if self._command_age_s <= _COMMAND_TIMEOUT_S else (0.0, 0.0)
        step, turn_step = _MAX_ACCELERATION_MPS2 * dt_s, _MAX_TURN_ACCELERATION_RADPS2 * dt_s
        self.speed_mps += float(np.clip(speed - self.speed_mps, -step, step))
        self.turn_radps += float(np.clip(turn - self.turn_radps, -turn_step, turn_step))
        mean_yaw_rad = self.yaw_rad + self.turn_radps * dt_s / 2
        self.x_m += self.speed_mps * math.cos(mean_yaw_rad) * dt_s
        self.y_m += self.speed_mps * math.sin(mean_yaw_rad) * dt_s
        self.yaw_rad = math.remainder(self.yaw_rad + self.turn_radps * dt_s, math.tau)

    def to_robot_frame(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Transform a point of the floor from the world frame to (forward_m, left_m) of the robot."""
        dx, dy = x_m - self.x_m, y_m - self.y_m
        cos, sin = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return dx * cos + dy * sin, dy * cos - dx * sin


class Walk:
    """The person's path, closed and uneven: `seed` decides its shape, `speed_mps` is the mean speed."""

    def __init__(self, seed: int, speed_mps: float) -> None:
        rng = np.random.default_rng(seed)
        self._phases = rng.uniform(0, math.tau, 2)
        self._speed_mps = speed_mps

    def walked_m(self, time_s: float) -> float:
        """Return the distance walked until `time_s`, measured on a circle of the mean radius."""
        since_s = max(time_s - _START_S, 0.0)
        speeding_up_s = min(since_s, _SPEED_UP_S)
        return self._speed_mps * (speeding_up_s * speeding_up_s / (2 * _SPEED_UP_S) + since_s - speeding_up_s)

    def position(self, time_s: float) -> tuple[float, float]:
        """Return the position (x_m, y_m) in the world frame."""
        angle = self.walked_m(time_s) / _PATH_RADIUS_M
        first, second = self._phases
        unevenness = 0.12 * math.cos(2 * angle + first) + 0.06 * math.cos(3 * angle + second)
        radius = _PATH_RADIUS_M * (1 + unevenness)
        return radius * math.cos(angle), radius * math.sin(angle)


_SHIRT_BGR = (60, 60, 200)
_TROUSERS_BGR = (110, 70, 40)
_SKIN_BGR = (150, 180, 225)
_HAIR_BGR = (30, 45, 70)
_STRIPE_BGR = (60, 210, 240)
_SHOES_BGR = (40, 40, 40)


def _noise(rng: np.random.Generator, side: int, cell: int, strength: float) -> Float32Array:
    """Return tileable noise [side, side] with cells of `cell` pixels."""
    small = rng.standard_normal((side // cell, side // cell)).astype(np.float32)
    tiled = cv2.resize(np.tile(small, (3, 3)), (3 * side, 3 * side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(strength * tiled[side : 2 * side, side : 2 * side], np.float32)


def draw_floor(rng: np.random.Generator) -> Image:
    """Return a texture of wooden planks, 480x480 pixels for 8 x 8 m, BGR."""
    side = 480
    grain = _noise(rng, side, 60, 6) + _noise(rng, side, 12, 4) + _noise(rng, side, 4, 4)
    planks = np.repeat(rng.normal(0, 9, 16), side // 16)[:, None]
    colour = np.array([95, 130, 160], np.float32)
    texture = colour + (grain + planks)[:, :, None]
    texture[:: side // 16] -= 35
    return np.asarray(np.clip(cv2.GaussianBlur(texture, (0, 0), 1.0), 0, 255), np.uint8)


def draw_wall(rng: np.random.Generator) -> Image:
    """Return a texture of plaster with paintings, 480x480 pixels for 8 x 8 m, BGR."""
    side = 480
    grain = _noise(rng, side, 80, 9) + _noise(rng, side, 16, 5) + _noise(rng, side, 4, 3)
    texture = np.array([185, 195, 190], np.float32) + grain[:, :, None]
    for left in range(20, side - 60, 80):  # heights are negative and wrap around: row 480 is at the floor
        top, width, height = int(rng.integers(345, 375)), int(rng.integers(30, 55)), int(rng.integers(35, 60))
        colour = rng.uniform((60, 60, 20), (220, 200, 110))  # never the person's red
        cv2.rectangle(texture, (left, top), (left + width, top + height), (50, 60, 70), -1)
        cv2.rectangle(texture, (left + 3, top + 3), (left + width - 3, top + height - 3), colour.tolist(), -1)
        cv2.circle(texture, (left + width // 2, top + height // 2), width // 5, (225, 230, 235), -1)
    texture[-6:] = (70, 80, 90)
    return np.asarray(np.clip(cv2.GaussianBlur(texture, (0, 0), 0.8), 0, 255), np.uint8)


def draw_person(stride: float) -> Image:
    """Return a standing person, [425, 165, 4] BGRA with premultiplied alpha.

    `stride` in [-1, 1] is the position of the legs and arms; 0: together.
    """
    picture = np.zeros((1700, 660, 4), np.uint8)

    def limb(
        start: tuple[float, float], end: tuple[float, float], width: int, colour: tuple[int, int, int]
    ) -> None:
        points = [(round(x), round(y)) for x, y in (start, end)]
        cv2.line(picture, points[0], points[1], (*colour, 255), width, cv2.LINE_AA)

    for side in (-1, 1):
        foot = (330 + 70 * side, 1640 - 70 * max(side * stride, 0))
        limb((330 + 65 * side, 900), foot, 130, _TROUSERS_BGR)
        limb(foot, (foot[0] + 25 * side, foot[1] + 10), 90, _SHOES_BGR)
        hand = (330 + 245 * side, 900 - 60 * max(-side * stride, 0))
        limb((330 + 180 * side, 420), hand, 95, _SHIRT_BGR)
        limb(hand, (hand[0], hand[1] + 30), 80, _SKIN_BGR)
    cv2.rectangle(picture, (170, 350), (490, 930), (*_SHIRT_BGR, 255), -1)
    cv2.rectangle(picture, (170, 480), (490, 545), (*_STRIPE_BGR, 255), -1)
    cv2.rectangle(picture, (170, 650), (490, 715), (*_STRIPE_BGR, 255), -1)
    limb((330, 300), (330, 360), 90, _SKIN_BGR)
    cv2.ellipse(picture, (330, 190), (105, 140), 0, 0, 360, (*_SKIN_BGR, 255), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (330, 130), (112, 115), 0, 170, 370, (*_HAIR_BGR, 255), -1, cv2.LINE_AA)
    small = cv2.resize(picture, (165, 425), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
