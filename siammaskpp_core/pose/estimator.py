"""The pose of one target from image to image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.pose.bearing import bearing_of
from siammaskpp_core.pose.camera import Camera
from siammaskpp_core.pose.config import PoseConfig
from siammaskpp_core.pose.motion import Motion
from siammaskpp_core.pose.orientation import orientation_of, outline_of
from siammaskpp_core.pose.plane import frontal_plane
from siammaskpp_core.pose.points import Depth, surface_of
from siammaskpp_core.pose.position import NoPose, Position, position_of
from siammaskpp_core.tracking.tracker import TrackResult

# A doubtful mask makes a doubtful pose: its covariance is divided by the squared score.
_LEAST_SCORE = 0.1


@dataclass(frozen=True)
class Velocity:
    """Of the object relative to the camera: m/s [3], covariance [3, 3]."""

    linear_m_s: Float64Array
    covariance: Float64Array


@dataclass(frozen=True)
class PoseEstimate:
    """A target in one image, in the camera's optical frame.

    position_m [3] is the middle of its visible surface, the columns of `rotation` [3, 3] are its axes,
    extent_m [3] is its size along them (see :class:`~siammaskpp_core.pose.orientation.Orientation`).
    covariance [6, 6] is that of the position in m^2 and of the rotation vector in rad^2. `points` [N, 3] are
    those that were measured on it, in m. velocity is None in the first image.
    """

    position_m: Float64Array
    rotation: Float64Array
    extent_m: Float64Array
    covariance: Float64Array
    points: Float64Array
    velocity: Velocity | None


class PoseEstimator:
    """Measures one target in image after image and filters where it is."""

    def __init__(self, config: PoseConfig | None = None) -> None:
        self._config = config or PoseConfig()
        self._motion = Motion(self._config)
        self._rotation: Float64Array | None = None

    def from_depth(
        self, result: TrackResult, depth: Depth, camera: Camera, stamp_ns: int, score: float = 1.0
    ) -> PoseEstimate:
        """The pose in the image with this stamp, whose depth is `depth` [H, W] (uint16 mm or float32 m).

        `score` in 0..1 says how sure the tracker is; covariances grow as it falls. Raises :class:`NoPose`
        when there is none, :class:`~siammaskpp_core.pose.points.DepthError` for depth of another size.
        """
        if result.mask is None or not result.mask.any():
            raise NoPose("the object has no mask, which its depth is taken from")
        surface = surface_of(result.mask, depth, camera, self._config)
        edge_px = self._edge_px(result, camera)
        position = position_of(surface, camera, edge_px, self._config)
        return self._estimate(outline_of(result.mask), position, camera, edge_px, stamp_ns, score)

    def from_size(
        self, result: TrackResult, camera: Camera, size_m: float, stamp_ns: int, score: float = 1.0
    ) -> PoseEstimate:
        """The same without depth, from the length of the object's longer side. Raises :class:`NoPose`."""
        edge_px = self._edge_px(result, camera)
        bearing = bearing_of(result.rotated_box, camera, edge_px)
        middle, covariance = bearing.position(size_m)
        plane = frontal_plane(bearing.direction / bearing.direction[2], float(middle[2]))
        position = Position(middle, covariance, np.empty((0, 3)), plane, 0.0)
        outline = result.rotated_box.corners().astype(np.float64) - 0.5
        return self._estimate(outline, position, camera, edge_px, stamp_ns, score)

    def _edge_px(self, result: TrackResult, camera: Camera) -> float:
        """How well the object's edge is known: hardly, where the image cuts it off."""
        x, y, width, height = result.box_xywh
        is_cut = min(x, y) < 1 or x + width > camera.width - 1 or y + height > camera.height - 1
        return max(self._config.edge_px, max(width, height) / 4 if is_cut else 0.0)

    def _estimate(
        self,
        outline_px: Float64Array,
        position: Position,
        camera: Camera,
        edge_px: float,
        stamp_ns: int,
        score: float,
    ) -> PoseEstimate:
        doubt = max(score, _LEAST_SCORE) ** -2
        motion = self._motion.update(stamp_ns, position.middle_m, position.covariance * doubt)
        if motion is None:
            raise NoPose("the object's position has jumped; it is believed when it stays there")
        if not motion.is_velocity_known:
            self._rotation = None
        turned = orientation_of(outline_px, position, camera, edge_px, self._rotation)
        self._rotation = turned.rotation
        covariance = np.zeros((6, 6))
        covariance[:3, :3], covariance[3:, 3:] = motion.position_covariance, turned.covariance * doubt
        velocity = None
        if motion.is_velocity_known:
            velocity = Velocity(motion.velocity_m_s, motion.velocity_covariance)
        return PoseEstimate(
            motion.position_m, turned.rotation, turned.extent_m, covariance, position.points, velocity
        )
