"""A Kalman filter for one moving point: constant velocity, accelerations being noise.

The filter is OpenCV's, which is here anyway. FilterPy would bring SciPy and Matplotlib onto the robot.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.pose.config import PoseConfig

_UNKNOWN_SPEED = 3.0  # m/s, standard deviation of a first velocity
_GATE = 16.27  # 99.9 % of the chi-squared distribution with 3 degrees of freedom
_OUTLIERS_TO_BEGIN_ANEW = 3


@dataclass(frozen=True)
class MotionState:
    """Position [3] in m and velocity [3] in m/s with covariances [3, 3], at one image's time."""

    position_m: Float64Array
    position_covariance: Float64Array
    velocity_m_s: Float64Array
    velocity_covariance: Float64Array
    is_velocity_known: bool
    """False until a second position has told something about the velocity."""


class Motion:
    """Position and velocity of one object, relative to the camera."""

    def __init__(self, config: PoseConfig) -> None:
        self._config = config
        self._filter = cv2.KalmanFilter(6, 3, 0, cv2.CV_64F)
        self._filter.measurementMatrix = np.eye(3, 6)
        self._stamp_ns: int | None = None
        self._updates = 0
        self._outliers = 0

    def update(self, stamp_ns: int, position_m: Float64Array, covariance: Float64Array) -> MotionState | None:
        """Take a measured position [3] with its covariance [3, 3]; None when it cannot be believed.

        A measurement that lies far outside of what is expected is left out, until three in a row say so.
        Then, as after a long gap or a jump back in time, the filter begins anew.
        """
        gap_s = None if self._stamp_ns is None else (stamp_ns - self._stamp_ns) * 1e-9
        if gap_s is None or not 0 <= gap_s <= self._config.max_gap_s:
            return self._begin(stamp_ns, position_m, covariance)
        self._predict(gap_s)
        self._stamp_ns = stamp_ns
        if self._is_outlier(position_m, covariance):
            self._outliers += 1
            if self._outliers >= _OUTLIERS_TO_BEGIN_ANEW:
                return self._begin(stamp_ns, position_m, covariance)
            return None
        self._outliers = 0
        self._updates += 1
        self._filter.measurementNoiseCov = covariance
        self._filter.correct(position_m.reshape(3, 1))
        return self._state()

    def _begin(self, stamp_ns: int, position_m: Float64Array, covariance: Float64Array) -> MotionState:
        self._filter.statePost = np.concatenate([position_m, np.zeros(3)]).reshape(6, 1)
        error = np.zeros((6, 6))
        error[:3, :3], error[3:, 3:] = covariance, np.eye(3) * _UNKNOWN_SPEED**2
        self._filter.errorCovPost = error
        self._stamp_ns, self._updates, self._outliers = stamp_ns, 1, 0
        return self._state()

    def _predict(self, gap_s: float) -> None:
        transition = np.eye(6)
        transition[:3, 3:] = np.eye(3) * gap_s
        push = np.array([gap_s**2 / 2, gap_s]) * self._config.acceleration
        self._filter.transitionMatrix = transition
        self._filter.processNoiseCov = np.kron(np.outer(push, push), np.eye(3))
        self._filter.predict()

    def _is_outlier(self, position_m: Float64Array, covariance: Float64Array) -> bool:
        off = position_m - self._filter.statePre[:3, 0]
        expected = self._filter.errorCovPre[:3, :3] + covariance
        return float(off @ np.linalg.solve(expected, off)) > _GATE

    def _state(self) -> MotionState:
        state, error = self._filter.statePost[:, 0].copy(), self._filter.errorCovPost.copy()
        return MotionState(state[:3], error[:3, :3], state[3:], error[3:, 3:], self._updates > 1)
