"""What the pose depends on."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, option


@dataclass(frozen=True)
class PoseConfig(Checked):
    """Options of the pose."""

    mask_margin_px: float = option(
        3.0,
        "Pixels so close to the mask's edge are left out of the depth: edges of depth and mask differ",
        low=0.0,
        high=100.0,
        unit="px",
    )
    min_pixels: int = option(30, "Pixels with a depth that a position needs", low=6, high=1_000_000)
    max_pixels: int = option(10_000, "Of larger objects every n-th row and column is taken", low=100)
    edge_px: float = option(2.0, "How well the mask's edge is known, standard deviation", low=0.1, unit="px")
    depth_bias: float = option(
        0.005,
        "Error of the depth that all pixels share, as a share of the range, standard deviation",
        low=0.0,
        high=1.0,
    )
    acceleration: float = option(
        2.0,
        "Accelerations of object and camera that are usual, standard deviation",
        low=0.01,
        high=1000.0,
        unit="m/s^2",
    )
    max_gap_s: float = option(
        1.0, "After so long without a position the velocity begins anew", low=0.01, high=60.0, unit="s"
    )
