"""A Kalman filter for the position and velocity of one object.

It assumes a constant velocity and treats accelerations as noise. The filter is OpenCV's, which is a
dependency already; FilterPy would bring SciPy and Matplotlib onto the robot.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.io.stamps import NS_PER_S, has_jumped_back

ACCELERATION_SIGMA_M_S2 = 2.0
"""Standard deviation of the acceleration between object and camera, as usual for people and robots."""
# After such a gap the prediction says little about the position.
_MAX_GAP_S = 1.0
# Standard deviation of the velocity before anything was measured of it.
_INITIAL_VELOCITY_SIGMA_M_S = 3.0
# 99.9 % of the chi-squared distribution with 3 degrees of freedom.
_GATE = 16.27
_OUTLIERS_UNTIL_RESTART = 3


@dataclass(frozen=True)
class MotionState:
    """Position [3] in m and velocity [3] in m/s with covariances [3, 3], at the time of one image."""

    position_m: Float64Array
    position_covariance: Float64Array
    velocity_m_s: Float64Array
    velocity_covariance: Float64Array
    is_velocity_known: bool
    """False until a second position has been measured."""


class MotionFilter:
    """Filters position and velocity of one object relative to the camera."""

    def __init__(self) -> None:
        self._filter = cv2.KalmanFilter(6, 3, 0, cv2.CV_64F)
        self._filter.measurementMatrix = np.eye(3, 6)
        self._stamp_ns: int | None = None
        self._updates = 0
        self._outliers = 0

    def update(self, stamp_ns: int, position_m: Float64Array, covariance: Float64Array) -> MotionState | None:
        """Add a measured position [3] with covariance [3, 3]; None when it is rejected as an outlier.

        The third outlier in a row, a long gap and a jump back in time restart the filter at the measurement.
        """
        if self._stamp_ns is None or has_jumped_back(self._stamp_ns, stamp_ns):
            return self._restart(stamp_ns, position_m, covariance)
        gap_s = (stamp_ns - self._stamp_ns) / NS_PER_S
        if gap_s > _MAX_GAP_S:
            return self._restart(stamp_ns, position_m, covariance)
        self._predict(gap_s)
        self._stamp_ns = stamp_ns
        if self._is_outlier(position_m, covariance):
            self._outliers += 1
            if self._outliers >= _OUTLIERS_UNTIL_RESTART:
                return self._restart(stamp_ns, position_m, covariance)
            return None
        self._outliers = 0
        self._updates += 1
        self._filter.measurementNoiseCov = covariance
        self._filter.correct(position_m.reshape(3, 1))
        return self._state()

    def _restart(self, stamp_ns: int, position_m: Float64Array, covariance: Float64Array) -> MotionState:
        self._filter.statePost = np.concatenate([position_m, np.zeros(3)]).reshape(6, 1)
        error = np.zeros((6, 6))
        error[:3, :3], error[3:, 3:] = covariance, np.eye(3) * _INITIAL_VELOCITY_SIGMA_M_S**2
        self._filter.errorCovPost = error
        self._stamp_ns, self._updates, self._outliers = stamp_ns, 1, 0
        return self._state()

    def _predict(self, gap_s: float) -> None:
        transition = np.eye(6)
        transition[:3, 3:] = np.eye(3) * gap_s
        noise = np.array([gap_s**2 / 2, gap_s]) * ACCELERATION_SIGMA_M_S2
        self._filter.transitionMatrix = transition
        self._filter.processNoiseCov = np.kron(np.outer(noise, noise), np.eye(3))
        self._filter.predict()

    def _is_outlier(self, position_m: Float64Array, covariance: Float64Array) -> bool:
        innovation = position_m - self._filter.statePre[:3, 0]
        expected = self._filter.errorCovPre[:3, :3] + covariance
        return float(innovation @ np.linalg.solve(expected, innovation)) > _GATE

    def _state(self) -> MotionState:
        state, error = self._filter.statePost[:, 0].copy(), self._filter.errorCovPost.copy()
        return MotionState(state[:3], error[:3, :3], state[3:], error[3:, 3:], self._updates > 1)
