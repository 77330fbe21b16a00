"""A plate before a wall as a depth camera sees it: ray by ray, with known ground truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from siammaskpp_core.pose import CameraModel
from siammaskpp_core.tracking import TrackResult
from siammaskpp_core.tracking.boxes import RotatedBox

SIZE = (640, 480)
K = np.array([[600.0, 0, 325.0], [0, 610.0, 236.0], [0, 0, 1]])


def camera() -> CameraModel:
    return CameraModel.from_calibration(SIZE, K)


def rotation(x_deg: float = 0.0, y_deg: float = 0.0, z_deg: float = 0.0) -> np.ndarray:
    """Rotation matrix [3, 3]: first about z (in the plate's plane), then about the camera's x and y."""
    turn = np.eye(3)
    for axis, degrees in ((2, z_deg), (0, x_deg), (1, y_deg)):
        vector = np.zeros(3)
        vector[axis] = math.radians(degrees)
        turn = cv2.Rodrigues(vector)[0] @ turn
    return turn


@dataclass(frozen=True)
class Plate:
    """A flat rectangle of `size_m` (along its x and y) whose centre is at `position_m`."""

    position_m: tuple[float, float, float]
    rotation: np.ndarray
    size_m: tuple[float, float] = (0.4, 0.24)

    def depth(self) -> np.ndarray:
        """Depth z [H, W] in m of every pixel, infinite beside the plate."""
        u, v = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
        rays = np.dstack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(u.shape)])
        normal, center = self.rotation[:, 2], np.array(self.position_m)
        z = (normal @ center) / (rays @ normal)
        on_plate = np.abs((rays * z[:, :, None] - center) @ self.rotation[:, :2])
        return np.where((on_plate <= np.array(self.size_m) / 2).all(axis=2) & (z > 0), z, np.inf)


def picture(
    plate: Plate,
    *,
    wall_m: float = 3.0,
    noise: float = 0.0,
    holes: float = 0.0,
    dtype: type = np.float32,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Depth image and mask [H, W] of the plate.

    `noise` in m is the standard deviation at 1 m, which grows with z^2; `holes` is the fraction of pixels
    without depth.
    """
    rng = np.random.default_rng(seed)
    depth = plate.depth()
    mask = np.where(np.isfinite(depth), 255, 0).astype(np.uint8)
    depth = np.minimum(depth, wall_m)
    if noise:
        depth = depth + rng.normal(0, noise, depth.shape) * depth**2
    blobs = cv2.GaussianBlur(rng.normal(0, 1, depth.shape), (0, 0), 4)
    depth[blobs < np.quantile(blobs, holes)] = np.nan
    if dtype is np.uint16:
        return np.nan_to_num(np.round(depth * 1000)).astype(np.uint16), mask
    return depth.astype(np.float32), mask


def tracked(mask: np.ndarray, confidence: float = 1.0) -> TrackResult:
    """The tracker's result for an object with this mask."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return TrackResult(np.array([0.0, 0, 2, 2]), RotatedBox(1, 1, 2, 2, 0.0), confidence, mask)
    (x, y), (width, height), degrees = cv2.minAreaRect(max(contours, key=cv2.contourArea))
    box = RotatedBox(x + 0.5, y + 0.5, width + 1, height + 1, math.radians(degrees))
    return TrackResult(np.array(cv2.boundingRect(mask), np.float64), box, confidence, mask)


def turned_by_deg(rotation_a: np.ndarray, rotation_b: np.ndarray) -> float:
    """Angle between two orientations of a rectangle, which looks the same after half a turn."""
    half_turn = np.diag([-1.0, -1.0, 1.0])
    angles = [
        np.linalg.norm(cv2.Rodrigues(rotation_a.T @ rotation_b @ turn)[0]) for turn in (np.eye(3), half_turn)
    ]
    return math.degrees(min(angles))
