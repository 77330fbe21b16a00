"""Masks whose edges lie on those of the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Variance of colours (each in 0..1) below which a picture is smooth: nothing to be guided by.
_SMOOTH = 3e-4


def guided(probability: Floats, guide_bgr: NDArray[np.uint8], radius: int) -> Floats:
    """`probability` [H, W] as a smooth function of the picture `guide_bgr` uint8 [H, W, 3] beneath it.

    In each square of 2 * `radius` + 1 pixels the answer is the linear function of the three colours that
    comes nearest to the probabilities; a pixel gets the mean of its squares' (He, Sun and Tang, Guided Image
    Filtering, 2013, equations 19 to 21). Values can lie slightly outside of 0..1.
    """
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(plane: Floats) -> Floats:
        return cv2.blur(plane, size, borderType=cv2.BORDER_REFLECT)

    colours = [channel * np.float32(1 / 255) for channel in cv2.split(guide_bgr)]
    means, mean_probability = [mean(colour) for colour in colours], mean(probability)

    def covariance(first: int, second: int) -> Floats:
        return mean(colours[first] * colours[second]) - means[first] * means[second]

    bb, gg, rr = (covariance(channel, channel) + np.float32(_SMOOTH) for channel in range(3))
    bg, br, gr = covariance(0, 1), covariance(0, 2), covariance(1, 2)
    b, g, r = (
        mean(colour * probability) - its_mean * mean_probability
        for colour, its_mean in zip(colours, means, strict=True)
    )
    # Cofactors of the covariances [[bb, bg, br], [bg, gg, gr], [br, gr, rr]], to invert them.
    in_bb, in_bg, in_br = gg * rr - gr * gr, br * gr - bg * rr, bg * gr - br * gg
    in_gg, in_gr, in_rr = bb * rr - br * br, bg * br - bb * gr, bb * gg - bg * bg
    inverse = 1 / (bb * in_bb + bg * in_bg + br * in_br)
    slopes = [
        (in_bb * b + in_bg * g + in_br * r) * inverse,
        (in_bg * b + in_gg * g + in_gr * r) * inverse,
        (in_br * b + in_gr * g + in_rr * r) * inverse,
    ]
    offset = mean_probability
    for slope, its_mean in zip(slopes, means, strict=True):
        offset = offset - slope * its_mean
    result = mean(offset)
    for slope, colour in zip(slopes, colours, strict=True):
        result += mean(slope) * colour
    return result
