"""The plane that fits a surface best, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siammaskpp_core.arrays import BoolArray, Float64Array
from siammaskpp_core.pose.points import MAD_TO_SIGMA

_CORRELATED_PIXELS = 25
"""Stereo and structured light match windows: the depth of so many neighbours errs together."""
_ROUNDS = 3


@dataclass(frozen=True)
class Plane:
    """The points X with n X = 1, where n = `coefficients` [3] in 1/m; `covariance` [3, 3] is theirs.

    spread_m is the standard deviation of the depth around it: noise, and the relief of the surface.
    """

    coefficients: Float64Array
    covariance: Float64Array
    spread_m: float

    @property
    def normal(self) -> Float64Array:
        """The unit normal [3], away from the camera."""
        return self.coefficients / np.linalg.norm(self.coefficients)

    @property
    def tilt_covariance(self) -> Float64Array:
        """Of the rotation vector by which the normal may be off, rad^2 [3, 3]; none about itself."""
        x, y, z = self.normal
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        return cross @ self.covariance @ cross.T / (self.coefficients @ self.coefficients)

    def depth_m(self, rays: Float64Array) -> Float64Array:
        """z [N] where `rays` [N, 3] with z = 1 meet it; infinite where they do not."""
        inverse = rays @ self.coefficients
        return np.divide(1.0, inverse, out=np.full(len(rays), np.inf), where=inverse > 0)

    def depth_variance(self, ray: Float64Array) -> float:
        """Of z where `ray` [3] with z = 1 meets it, in m^2."""
        depth_m = 1 / float(ray @ self.coefficients)
        return float(ray @ self.covariance @ ray) * depth_m**4


def frontal_plane(ray: Float64Array, depth_m: float) -> Plane:
    """The plane that a ray [3] meets at a right angle at z = depth_m, its tilt unknown."""
    direction = ray / np.linalg.norm(ray)
    coefficients = direction / (ray @ direction * depth_m)
    # As little as is known of a visible face: a uniform distribution up to 60 degrees or so.
    unknown = (np.pi / 6) ** 2 * (coefficients @ coefficients)
    return Plane(coefficients, unknown * (np.eye(3) - np.outer(direction, direction)), 0.0)


def fit_plane(rays: Float64Array, depth_m: Float64Array) -> Plane | None:
    """The plane through points along `rays` [N, 3] at depths [N]; None when they lie on one line.

    The inverse depth of a plane is linear in the rays, so that a regression errs only along the rays, as the
    depth does. What lies three deviations off is left out (the deviation being a robust one).
    """
    kept: BoolArray = np.ones(len(rays), np.bool_)
    fitted = None
    for _ in range(_ROUNDS):
        fitted = _regression(rays[kept], depth_m[kept])
        if fitted is None:
            return None
        off = np.abs(depth_m - fitted.depth_m(rays))
        kept = off <= max(3 * MAD_TO_SIGMA * float(np.median(off)), 1e-6)
        if np.count_nonzero(kept) < 4:
            break
    return fitted


def _regression(rays: Float64Array, depth_m: Float64Array) -> Plane | None:
    normal_matrix = rays.T @ rays
    # Around the mean ray, or the numbers of a small object would look as if it were a line.
    if np.linalg.matrix_rank(np.cov(rays[:, :2].T), tol=1e-12) < 2:
        return None
    coefficients = np.linalg.solve(normal_matrix, rays.T @ (1 / depth_m))
    inverse_error = 1 / depth_m - rays @ coefficients
    variance = float(inverse_error @ inverse_error) / max(len(rays) - 3, 1)
    covariance = np.linalg.inv(normal_matrix) * variance * _CORRELATED_PIXELS
    middle = float(np.median(depth_m))
    return Plane(coefficients, covariance, np.sqrt(variance) * middle**2)
