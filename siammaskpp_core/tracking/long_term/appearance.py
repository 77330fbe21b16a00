"""The appearance model: it learns during tracking to tell the target from everything that surrounds it.

It is a linear filter on features of the search region, found by regularised least squares: its response
should be 1 at the centre of the target and 0 elsewhere. Everything here is a pure function of its arguments.

Sources: Henriques et al., *High-Speed Tracking with Kernelized Correlation Filters*, PAMI 2015 (the
regression); Zhou et al., *Discriminative and Robust Online Learning for Siamese Visual Tracking*, AAAI 2020
(on the network's own features, beside a Siamese tracker).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from siammaskpp_core.arrays import Float32Array

CHANNELS = 16
"""The features are projected to this many channels."""
TAP_SPACING = 2
"""The filter has 3 x 3 taps, this many cells apart."""
LABEL_SIGMA = 0.15
"""Width of the wanted response, in sides of the target; at least :data:`LABEL_SIGMA_MIN_CELLS`."""
LABEL_SIGMA_MIN_CELLS = 0.8
TARGET_WEIGHT = 0.4
"""Weight of the target's cells in the regression; all others share the rest."""
HARD_NEGATIVE_GAIN = 4.0
"""Gain of a background cell's weight with the square of its response."""
EASY_NEGATIVE_WEIGHT = 0.3
"""Factor of the weight of a background cell whose response is negative already."""
FIRST_IMAGE_WEIGHT = 0.3
"""Weight that the image in which the target was set keeps for ever."""
LEARNING_RATE = 0.03
"""Weight of the newest image among the images since then."""
RIDGE = 0.01
"""Regularisation, relative to the mean of the normal equations' diagonal."""
PEAK_RATE = 0.05
PEAK_MIN = 0.2
"""Rate and lower limit of the running mean of the response at the target."""

Point = tuple[float, float]


@dataclass(frozen=True, eq=False)
class AppearanceModel:
    """The appearance model of one target: D projected channels, and a filter of 9 D + 1 weights.

    A gram matrix and a correlation are the two sides of the normal equations: those of the image in which the
    target was set, and a running mean over the images since then.
    """

    mean: Float32Array
    projection: Float32Array
    first_gram: Float32Array
    first_correlation: Float32Array
    gram: Float32Array
    correlation: Float32Array
    weights: Float32Array
    peak: float
    """Running mean of the filter's response at the target."""


@dataclass(frozen=True, eq=False)
class AppearanceResponse:
    """The response of a model to one search region, float32 [R, R]: about 1 at the target, 0 elsewhere."""

    values: Float32Array
    design: Float32Array
    """Rows of the regression, one per cell of the response, float32 [R * R, 9 D + 1]."""

    def at(self, center_cells: Point) -> float:
        """Return the response at a point, 0 to 1. It is x, y in cells, relative to the region's centre."""
        half = len(self.values) // 2
        x, y = (np.full((1, 1), coordinate + half, np.float32) for coordinate in center_cells)
        value = cv2.remap(self.values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return float(np.clip(value[0, 0], 0, 1))


def learn(features: Float32Array, size_cells: Point) -> AppearanceModel:
    """Return the model of a target in the middle of a search region.

    `features` [C, R + 6, R + 6] are those of the image in which the target was set; `size_cells` is its width
    and height in cells. The region is learned as it is and flipped from left to right.
    """
    mean, projection = _projection(features, size_cells)
    designs = [_design(view, mean, projection) for view in (features, features[:, :, ::-1])]
    label = _label(_response_size(features), (0.0, 0.0), size_cells)
    gram, correlation = _mean_equations(designs, label, None)
    weights = _solved(gram, correlation)
    gram, correlation = _mean_equations(designs, label, weights)  # now with hard negatives
    weights = _solved(gram, correlation)
    peak = max(float(designs[0][label.argmax()] @ weights), PEAK_MIN)
    return AppearanceModel(mean, projection, gram, correlation, gram, correlation, weights, peak)


def respond(model: AppearanceModel, features: Float32Array) -> AppearanceResponse:
    """Return the model's response [R, R] to the features [C, R + 6, R + 6] of a search region."""
    design = _design(features, model.mean, model.projection)
    size = _response_size(features)
    values = (design @ model.weights).reshape(size, size) / np.float32(model.peak)
    return AppearanceResponse(values, design)


def update(
    model: AppearanceModel, response: AppearanceResponse, center_cells: Point, size_cells: Point
) -> AppearanceModel:
    """Return the model after it has learned from a region in which the target is at `center_cells`."""
    label = _label(len(response.values), center_cells, size_cells)
    newest_gram, newest_correlation = _normal_equations(response.design, label, response.values.ravel())
    gram = _blend(model.gram, newest_gram, LEARNING_RATE)
    correlation = _blend(model.correlation, newest_correlation, LEARNING_RATE)
    weights = _solved(
        _blend(gram, model.first_gram, FIRST_IMAGE_WEIGHT),
        _blend(correlation, model.first_correlation, FIRST_IMAGE_WEIGHT),
    )
    peak = model.peak + PEAK_RATE * (response.at(center_cells) - 1) * model.peak
    return replace(
        model, gram=gram, correlation=correlation, weights=weights, peak=max(float(peak), PEAK_MIN)
    )


def _response_size(features: Float32Array) -> int:
    """Return the side of the response: taps and the correlation with the template need three cells around."""
    return features.shape[1] - 6


def _projection(features: Float32Array, size_cells: Point) -> tuple[Float32Array, Float32Array]:
    """Return mean [C, 1] and projection [D, C] of features: their principal components, partly whitened.

    The cells of the target in the middle have the same weight as all others together.
    """
    channels, height, width = features.shape
    y, x = np.ogrid[:height, :width]
    half_width, half_height = (max(side / 2, 1) for side in size_cells)
    inside = (abs(x - width // 2) <= half_width) & (abs(y - height // 2) <= half_height)
    weight = np.where(inside, 0.5 / inside.sum(), 0.5 / max((~inside).sum(), 1)).ravel().astype(np.float32)
    flat = features.reshape(channels, -1)
    mean = (flat @ weight)[:, None]
    centred = flat - mean
    covariance = (centred * weight) @ centred.T
    deviation = np.sqrt(np.diag(covariance)) + 1e-6
    values, vectors = np.linalg.eigh(covariance / np.outer(deviation, deviation))
    values, vectors = values[::-1][:CHANNELS], vectors[:, ::-1][:, :CHANNELS]
    projection = (vectors / deviation[:, None]).T * np.maximum(values, 1e-4)[:, None] ** -0.25
    return mean.astype(np.float32), projection.astype(np.float32)


def _design(features: Float32Array, mean: Float32Array, projection: Float32Array) -> Float32Array:
    """Return the rows of the regression [R * R, 9 D + 1]: projected features under the taps, and 1."""
    channels, height, width = features.shape
    projected = (projection @ (features.reshape(channels, -1) - mean)).reshape(-1, height, width)
    depth, size = len(projected), _response_size(features)
    by_cell = projected.transpose(1, 2, 0)
    design = np.empty((size, size, 9 * depth + 1), np.float32)
    offsets = [3 + TAP_SPACING * step for step in (-1, 0, 1)]
    for tap, (top, left) in enumerate((top, left) for top in offsets for left in offsets):
        design[:, :, tap * depth : (tap + 1) * depth] = by_cell[top : top + size, left : left + size]
    design[:, :, -1] = 1
    return design.reshape(size * size, -1)


def _label(size: int, center_cells: Point, size_cells: Point) -> Float32Array:
    """Return the wanted response [R * R]: a Gaussian at the target's centre."""
    cells = np.arange(size) - size // 2
    x, y = (
        np.exp(-0.5 * ((cells - center) / max(LABEL_SIGMA * side, LABEL_SIGMA_MIN_CELLS)) ** 2)
        for center, side in zip(center_cells, size_cells, strict=True)
    )
    return np.outer(y, x).ravel().astype(np.float32)


def _mean_equations(
    designs: list[Float32Array], label: Float32Array, weights: Float32Array | None
) -> tuple[Float32Array, Float32Array]:
    """Return the mean normal equations; with `weights`, background that responds to them counts more."""
    sides = [
        _normal_equations(design, label, None if weights is None else design @ weights) for design in designs
    ]
    grams, correlations = zip(*sides, strict=True)
    return np.mean(grams, axis=0), np.mean(correlations, axis=0)


def _normal_equations(
    design: Float32Array, label: Float32Array, response: Float32Array | None
) -> tuple[Float32Array, Float32Array]:
    """Return X'WX and X'Wy of the regression. W depends on the present response [R * R], if there is one."""
    background = 1 - label
    if response is not None:
        far = label < 0.05
        background = background * np.where(far, 1 + HARD_NEGATIVE_GAIN * np.clip(response, 0, 1.5) ** 2, 1)
        background = background * np.where(far & (response < 0), EASY_NEGATIVE_WEIGHT, 1)
    weight = TARGET_WEIGHT * label / label.sum() + (1 - TARGET_WEIGHT) * background / background.sum()
    weighted = design.T * weight.astype(np.float32)
    return weighted @ design, weighted @ label


def _blend(old: Float32Array, new: Float32Array, weight: float) -> Float32Array:
    return old + np.float32(weight) * (new - old)


def _solved(gram: Float32Array, correlation: Float32Array) -> Float32Array:
    ridge = np.float32(RIDGE * float(np.trace(gram)) / len(gram))
    damped = gram + ridge * np.eye(len(gram), dtype=np.float32)
    _, weights = cv2.solve(damped, correlation[:, None], flags=cv2.DECOMP_CHOLESKY)
    return np.asarray(weights[:, 0], np.float32)
