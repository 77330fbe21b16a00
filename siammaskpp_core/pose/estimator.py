"""The pose of one target from image to image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.pose.camera import BOUNDARY_SIGMA_PX, CameraModel, bearing_of
from siammaskpp_core.pose.motion import MotionFilter, positive_definite
from siammaskpp_core.pose.orientation import orientation_of, outline_of
from siammaskpp_core.pose.plane import frontal_plane
from siammaskpp_core.pose.points import Depth, surface_of
from siammaskpp_core.pose.position import NoPose, Position, position_of
from siammaskpp_core.tracking.tracker import TrackResult

# Covariances are divided by the squared confidence, which is not taken to be lower than this.
_MIN_CONFIDENCE = 0.1


@dataclass(frozen=True)
class Velocity:
    """The velocity of the object relative to the camera in m/s [3], with covariance [3, 3]."""

    linear_m_s: Float64Array
    covariance: Float64Array


@dataclass(frozen=True)
class PoseEstimate:
    """The pose of a target in one image, in the camera's optical frame.

    position_m [3] is the centroid of the visible surface. The columns of `rotation` [3, 3] are the object's
    axes and extent_m [3] is its size along them (see
    :class:`~siammaskpp_core.pose.orientation.Orientation`). covariance [6, 6] is that of the position in m^2
    and of the rotation vector in rad^2. `points` [N, 3] in m are the measured points on the object. velocity
    is None in the first image.
    """

    position_m: Float64Array
    rotation: Float64Array
    extent_m: Float64Array
    covariance: Float64Array
    points: Float64Array
    velocity: Velocity | None


class PoseEstimator:
    """Measures the pose of one target in image after image and filters its position over time."""

    def __init__(self) -> None:
        self._motion = MotionFilter()
        self._rotation: Float64Array | None = None

    def from_depth(
        self, result: TrackResult, depth: Depth, camera: CameraModel, stamp_ns: int
    ) -> PoseEstimate:
        """Return the pose in the image with this stamp from its depth image [H, W] (uint16 mm or float32 m).

        Covariances grow as the confidence of `result` falls. Raises :class:`NoPose` when no pose can be
        measured, :class:`~siammaskpp_core.pose.points.DepthError` for depth of another size.
        """
        if result.mask is None or not result.mask.any():
            raise NoPose("the object has no mask, which its depth is taken from")
        surface = surface_of(result.mask, depth, camera)
        boundary_sigma_px = _boundary_sigma_px(result, camera)
        position = position_of(surface, camera, boundary_sigma_px)
        outline_px = outline_of(result.mask)
        return self._estimate(outline_px, position, camera, boundary_sigma_px, stamp_ns, result.confidence)

    def from_size(
        self, result: TrackResult, camera: CameraModel, size_m: float, stamp_ns: int
    ) -> PoseEstimate:
        """Return the pose without depth, from the known length of the object's longer side.

        The other arguments and :class:`NoPose` are as in :meth:`from_depth`.
        """
        boundary_sigma_px = _boundary_sigma_px(result, camera)
        bearing = bearing_of(result.rotated_box, camera, boundary_sigma_px)
        if not bearing.angle_rad > 0:
            raise NoPose("the object's box has no length")
        centroid_m, covariance = bearing.position(size_m)
        plane = frontal_plane(bearing.direction / bearing.direction[2], float(centroid_m[2]))
        position = Position(centroid_m, covariance, np.empty((0, 3)), plane, 0.0)
        outline_px = result.rotated_box.corners().astype(np.float64) - 0.5
        return self._estimate(outline_px, position, camera, boundary_sigma_px, stamp_ns, result.confidence)

    def _estimate(
        self,
        outline_px: Float64Array,
        position: Position,
        camera: CameraModel,
        boundary_sigma_px: float,
        stamp_ns: int,
        confidence: float,
    ) -> PoseEstimate:
        inflation = max(confidence, _MIN_CONFIDENCE) ** -2
        try:
            motion = self._motion.update(stamp_ns, position.centroid_m, position.covariance * inflation)
        except np.linalg.LinAlgError as error:
            raise NoPose(f"the position cannot be used: {error}") from error
        if motion is None:
            raise NoPose("the object's position has jumped; it is accepted when the object stays there")
        if not motion.is_velocity_known:
            self._rotation = None
        try:
            orientation = orientation_of(outline_px, position, camera, boundary_sigma_px, self._rotation)
            covariance = np.zeros((6, 6))
            covariance[:3, :3] = motion.position_covariance
            covariance[3:, 3:] = positive_definite(orientation.covariance * inflation)
        except np.linalg.LinAlgError as error:
            raise NoPose(f"the orientation cannot be computed: {error}") from error
        if not np.isfinite([*orientation.rotation.flat, *orientation.extent_m]).all():
            raise NoPose("the orientation is not finite")
        self._rotation = orientation.rotation
        velocity = None
        if motion.is_velocity_known:
            velocity = Velocity(motion.velocity_m_s, motion.velocity_covariance)
        return PoseEstimate(
            motion.position_m,
            orientation.rotation,
            orientation.extent_m,
            covariance,
            position.points,
            velocity,
        )


def _boundary_sigma_px(result: TrackResult, camera: CameraModel) -> float:
    """Return the standard deviation of the object's boundary, which is large where the image cuts it off."""
    x, y, width, height = result.box_xywh
    is_cut = min(x, y) < 1 or x + width > camera.width - 1 or y + height > camera.height - 1
    return max(BOUNDARY_SIGMA_PX, max(width, height) / 4 if is_cut else 0.0)
