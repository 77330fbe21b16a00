"""A Kalman filter for the position and velocity of one object.

It assumes a constant velocity and treats accelerations as noise. The covariance is corrected in the form of
Joseph, which keeps it symmetric and positive where the shorter forms lose both by rounding.

Source: Bar-Shalom, Li and Kirubarajan, *Estimation with Applications to Tracking and Navigation*, 2001,
sections 5.2 and 6.3.
"""

from __future__ import annotations

from dataclasses import dataclass

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
# Numbers that are much larger overflow in the filter.
_MAX_M = 1e6
# Rounding errors are about 1e-16 of the largest variance; smaller variances than this could become negative.
_MIN_RATIO = 1e-12
_MIN_VARIANCE = 1e-18
_MEASURED = np.eye(3, 6)  # the position is measured, the velocity is not


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
        self._estimate = np.zeros(6)  # position and velocity
        self._covariance = np.eye(6)
        self._stamp_ns: int | None = None
        self._updates = 0
        self._outliers = 0

    def update(self, stamp_ns: int, position_m: Float64Array, covariance: Float64Array) -> MotionState | None:
        """Add a measured position [3] with covariance [3, 3]; None when it is rejected as an outlier.

        The third outlier in a row, a long gap and a jump back in time restart the filter at the measurement.
        Raises :class:`numpy.linalg.LinAlgError` for numbers that are not finite or far too large; nothing
        changes then.
        """
        if not ((np.abs(position_m) <= _MAX_M).all() and (np.abs(covariance) <= _MAX_M**2).all()):
            raise np.linalg.LinAlgError(f"position or covariance are not finite, or exceed {_MAX_M:g} m")
        covariance = positive_definite(covariance)
        if self._stamp_ns is None or has_jumped_back(self._stamp_ns, stamp_ns):
            return self._restart(stamp_ns, position_m, covariance)
        gap_s = (stamp_ns - self._stamp_ns) / NS_PER_S
        if gap_s > _MAX_GAP_S:
            return self._restart(stamp_ns, position_m, covariance)
        self._predict(gap_s)
        self._stamp_ns = stamp_ns
        innovation = position_m - self._estimate[:3]
        expected = self._covariance[:3, :3] + covariance
        # Written so that a distance that overflows is an outlier.
        if not float(innovation @ np.linalg.solve(expected, innovation)) <= _GATE:
            self._outliers += 1
            if self._outliers >= _OUTLIERS_UNTIL_RESTART:
                return self._restart(stamp_ns, position_m, covariance)
            return None
        self._outliers = 0
        self._updates += 1
        gain = np.linalg.solve(expected, self._covariance[:3]).T
        kept = np.eye(6) - gain @ _MEASURED
        self._estimate = self._estimate + gain @ innovation
        self._covariance = positive_definite(kept @ self._covariance @ kept.T + gain @ covariance @ gain.T)
        return self._state()

    def _restart(self, stamp_ns: int, position_m: Float64Array, covariance: Float64Array) -> MotionState:
        self._estimate = np.concatenate([position_m, np.zeros(3)])
        self._covariance = np.zeros((6, 6))
        self._covariance[:3, :3] = covariance
        self._covariance[3:, 3:] = np.eye(3) * _INITIAL_VELOCITY_SIGMA_M_S**2
        self._stamp_ns, self._updates, self._outliers = stamp_ns, 1, 0
        return self._state()

    def _predict(self, gap_s: float) -> None:
        transition = np.eye(6)
        transition[:3, 3:] = np.eye(3) * gap_s
        noise = np.array([gap_s**2 / 2, gap_s]) * ACCELERATION_SIGMA_M_S2
        self._estimate = transition @ self._estimate
        self._covariance = positive_definite(
            transition @ self._covariance @ transition.T + np.kron(np.outer(noise, noise), np.eye(3))
        )

    def _state(self) -> MotionState:
        estimate, error = self._estimate, self._covariance
        return MotionState(
            estimate[:3].copy(),
            error[:3, :3].copy(),
            estimate[3:].copy(),
            error[3:, 3:].copy(),
            self._updates > 1,
        )


def positive_definite(matrix: Float64Array) -> Float64Array:
    """Return the symmetric matrix [N, N] nearest to `matrix` whose eigenvalues are all positive.

    Raises :class:`numpy.linalg.LinAlgError` for numbers that are not finite.
    """
    symmetric = (matrix + matrix.T) / 2
    if not np.isfinite(symmetric).all():
        raise np.linalg.LinAlgError("the covariance is not finite")
    variances, axes = np.linalg.eigh(symmetric)
    floor = max(_MIN_RATIO * float(variances[-1]), _MIN_VARIANCE)
    if variances[0] >= floor:
        return symmetric
    positive = (axes * np.maximum(variances, floor)) @ axes.T
    return (positive + positive.T) / 2
