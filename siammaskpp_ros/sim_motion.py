"""What moves in the simulation: a planar robot (unicycle) and a person who walks a round. Knows no ROS.

World frame: x and y along the floor, z up; angles from x towards y. Robot frame: x forward, y left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_MAX_ACCELERATION_MPS2 = 2.5
_MAX_TURN_ACCELERATION_RADPS2 = 6.0
_COMMAND_TIMEOUT_S = 0.5  # the robot's base brakes by itself when commands stay away

_ROUND_M = 3.3  # mean radius of the person's round
_START_S = 4.0  # the person stands so long before the first step
_PICK_UP_S = 2.0  # and takes so long to reach the full speed


@dataclass
class Robot:
    """A robot that follows its speed command as fast as its motors allow."""

    x_m: float = 0.0
    y_m: float = 0.0
    yaw_rad: float = 0.0
    speed_mps: float = 0.0
    turn_radps: float = 0.0
    _command: tuple[float, float] = (0.0, 0.0)
    _silence_s: float = 0.0

    def command(self, speed_mps: float, turn_radps: float) -> None:
        """Take a speed command; it holds for half a second."""
        self._command, self._silence_s = (speed_mps, turn_radps), 0.0

    def move(self, dt_s: float) -> None:
        """Let `dt_s` pass."""
        self._silence_s += dt_s
        speed, turn = self._command if self._silence_s <= _COMMAND_TIMEOUT_S else (0.0, 0.0)
        step, turn_step = _MAX_ACCELERATION_MPS2 * dt_s, _MAX_TURN_ACCELERATION_RADPS2 * dt_s
        self.speed_mps += float(np.clip(speed - self.speed_mps, -step, step))
        self.turn_radps += float(np.clip(turn - self.turn_radps, -turn_step, turn_step))
        middle_rad = self.yaw_rad + self.turn_radps * dt_s / 2
        self.x_m += self.speed_mps * math.cos(middle_rad) * dt_s
        self.y_m += self.speed_mps * math.sin(middle_rad) * dt_s
        self.yaw_rad = math.remainder(self.yaw_rad + self.turn_radps * dt_s, math.tau)

    def sees(self, x_m: float, y_m: float) -> tuple[float, float]:
        """A point of the floor in the robot's frame: metres forward, metres to the left."""
        dx, dy = x_m - self.x_m, y_m - self.y_m
        cos, sin = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return dx * cos + dy * sin, dy * cos - dx * sin


class Walk:
    """A closed, uneven round in the room; `seed` decides its shape, `speed_mps` is its mean speed."""

    def __init__(self, seed: int, speed_mps: float) -> None:
        rng = np.random.default_rng(seed)
        self._phases = rng.uniform(0, math.tau, 2)
        self._speed_mps = speed_mps

    def walked_m(self, time_s: float) -> float:
        """Metres walked until then, on a round of constant radius."""
        since_s = max(time_s - _START_S, 0.0)
        part = min(since_s, _PICK_UP_S)
        return self._speed_mps * (part * part / (2 * _PICK_UP_S) + since_s - part)

    def position(self, time_s: float) -> tuple[float, float]:
        """x, y in metres."""
        angle = self.walked_m(time_s) / _ROUND_M
        first, second = self._phases
        radius = _ROUND_M * (1 + 0.12 * math.cos(2 * angle + first) + 0.06 * math.cos(3 * angle + second))
        return radius * math.cos(angle), radius * math.sin(angle)
