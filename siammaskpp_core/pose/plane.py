"""The plane that fits a surface best, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siammaskpp_core.arrays import BoolArray, Float64Array
from siammaskpp_core.pose.points import MAD_TO_SIGMA

# Stereo and structured light match windows of pixels, so that the errors of neighbours are correlated.
_CORRELATED_PIXELS = 25
# The tilt of a visible face is taken as uniform up to about 60 degrees.
_UNKNOWN_TILT_SIGMA_RAD = np.pi / 6
_FIT_ROUNDS = 3
_MIN_INLIERS = 4


@dataclass(frozen=True)
class Plane:
    """The points X with n X = 1, where n = `coefficients` [3] in 1/m has the covariance [3, 3].

    residual_sigma_m is the residual standard deviation of the depth: noise, and the relief of the surface.
    """

    coefficients: Float64Array
    covariance: Float64Array
    residual_sigma_m: float

    @property
    def normal(self) -> Float64Array:
        """The unit normal [3]; it points away from the camera."""
        return self.coefficients / np.linalg.norm(self.coefficients)

    @property
    def tilt_covariance(self) -> Float64Array:
        """Covariance [3, 3] in rad^2 of the rotation vector of the normal's error; zero about the normal."""
        x, y, z = self.normal
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        return cross @ self.covariance @ cross.T / (self.coefficients @ self.coefficients)

    def depth_m(self, rays: Float64Array) -> Float64Array:
        """Return z [N] where `rays` [N, 3] with z = 1 meet the plane; infinite where they do not."""
        inverse = rays @ self.coefficients
        return np.divide(1.0, inverse, out=np.full(len(rays), np.inf), where=inverse > 0)

    def depth_variance(self, ray: Float64Array) -> float:
        """Return the variance in m^2 of z where `ray` [3] with z = 1 meets the plane."""
        depth_m = 1 / float(ray @ self.coefficients)
        return float(ray @ self.covariance @ ray) * depth_m**4


def frontal_plane(ray: Float64Array, depth_m: float) -> Plane:
    """Return the plane that a ray [3] meets at a right angle at z = depth_m; its tilt is unknown."""
    direction = ray / np.linalg.norm(ray)
    coefficients = direction / (ray @ direction * depth_m)
    variance = _UNKNOWN_TILT_SIGMA_RAD**2 * (coefficients @ coefficients)
    return Plane(coefficients, variance * (np.eye(3) - np.outer(direction, direction)), 0.0)


def fit_plane(rays: Float64Array, depth_m: Float64Array) -> Plane | None:
    """Fit a plane to points along `rays` [N, 3] at depths [N]; None when they lie on one line.

    The inverse depth of a plane is linear in the rays. A regression of it has its errors along the rays, as
    the depth has. Points off by more than three robust standard deviations are left out of the next round.
    """
    kept: BoolArray = np.ones(len(rays), np.bool_)
    fitted = None
    for _ in range(_FIT_ROUNDS):
        fitted = _regression(rays[kept], depth_m[kept])
        if fitted is None:
            return None
        residuals = np.abs(depth_m - fitted.depth_m(rays))
        kept = residuals <= max(3 * MAD_TO_SIGMA * float(np.median(residuals)), 1e-6)
        if np.count_nonzero(kept) < _MIN_INLIERS:
            break
    return fitted


def _regression(rays: Float64Array, depth_m: Float64Array) -> Plane | None:
    normal_matrix = rays.T @ rays
    # The rank is taken about the mean ray: all rays of a small object are nearly the same vector.
    if np.linalg.matrix_rank(np.cov(rays[:, :2].T), tol=1e-12) < 2:
        return None
    coefficients = np.linalg.solve(normal_matrix, rays.T @ (1 / depth_m))
    inverse_error = 1 / depth_m - rays @ coefficients
    variance = float(inverse_error @ inverse_error) / max(len(rays) - 3, 1)
    covariance = np.linalg.inv(normal_matrix) * variance * _CORRELATED_PIXELS
    median_m = float(np.median(depth_m))
    return Plane(coefficients, covariance, np.sqrt(variance) * median_m**2)
