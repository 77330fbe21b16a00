"""Covariances that stay symmetric and positive in floating-point arithmetic."""

from __future__ import annotations

import numpy as np

from siammaskpp_core.arrays import Float64Array

# Rounding errors are about 1e-16 of the largest variance; smaller variances than this could become negative.
_MIN_RATIO = 1e-12
_MIN_VARIANCE = 1e-18


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
