"""The motion model: a Kalman filter for a target's centre, with a velocity that decays while it is hidden.

Both axes share one covariance. Noise is proportional to the target's mean side, so that the filter behaves
alike at every distance of the object.

Source: Bar-Shalom, Li and Kirubarajan, *Estimation with Applications to Tracking and Navigation*, 2001,
sections 6.3 and 8.2 (nearly constant velocity; exponentially autocorrelated velocity).
"""

from __future__ import annotations

import math
from typing import NamedTuple

VELOCITY_DECAY_S = 0.3
"""Time in which a velocity that is not observed falls to 1/e of itself."""
ACCELERATION_SIDES = 4.0
"""Standard deviation of the change of velocity in one second, in mean sides of the target per second."""
OBSERVATION_SIDES = 0.08
"""Standard deviation of an observed centre, in mean sides."""
MAX_PREDICTION_S = 0.5
"""After a longer gap between two images, the velocity predicts nothing."""


class Motion(NamedTuple):
    """Estimate of the centre (px) and the velocity (px/s), and the covariance of either axis."""

    x: float
    y: float
    velocity_x: float
    velocity_y: float
    variance: float
    """Variance of the centre, px^2."""
    covariance: float
    """Covariance of centre and velocity, px^2/s."""
    velocity_variance: float
    """Variance of the velocity, px^2/s^2."""

    @classmethod
    def starting_at(cls, x: float, y: float, side_px: float) -> Motion:
        """Return the estimate for an object of this mean side that has been seen once, at (x, y)."""
        return cls(
            x, y, 0.0, 0.0, (OBSERVATION_SIDES * side_px) ** 2, 0.0, (ACCELERATION_SIDES * side_px) ** 2
        )

    def predicted(self, elapsed_s: float, side_px: float) -> Motion:
        """Return the estimate `elapsed_s` later; it is unchanged when no time has passed."""
        if elapsed_s <= 0:
            return self
        keep = math.exp(-elapsed_s / VELOCITY_DECAY_S)
        travel_s = VELOCITY_DECAY_S * (1 - keep) if elapsed_s <= MAX_PREDICTION_S else 0.0
        power = (ACCELERATION_SIDES * side_px) ** 2
        return Motion(
            x=self.x + travel_s * self.velocity_x,
            y=self.y + travel_s * self.velocity_y,
            velocity_x=keep * self.velocity_x,
            velocity_y=keep * self.velocity_y,
            variance=self.variance
            + 2 * travel_s * self.covariance
            + travel_s**2 * self.velocity_variance
            + power * elapsed_s**3 / 3,
            covariance=keep * (self.covariance + travel_s * self.velocity_variance)
            + power * elapsed_s**2 / 2,
            velocity_variance=keep**2 * self.velocity_variance + power * elapsed_s,
        )

    def spread(self, side_px: float) -> float:
        """Return the variance of the distance of an observation from the estimate along an axis, in px^2."""
        return self.variance + (OBSERVATION_SIDES * side_px) ** 2

    def squared_distance(self, x: float, y: float, side_px: float) -> float:
        """Return the squared distance of an observation from the estimate, in standard deviations."""
        return ((x - self.x) ** 2 + (y - self.y) ** 2) / self.spread(side_px)

    def observed(self, x: float, y: float, side_px: float) -> Motion:
        """Return the estimate after an observation of the centre."""
        spread = self.spread(side_px)
        gain = self.variance / spread
        velocity_gain = self.covariance / spread
        shift_x, shift_y = x - self.x, y - self.y
        return Motion(
            x=self.x + gain * shift_x,
            y=self.y + gain * shift_y,
            velocity_x=self.velocity_x + velocity_gain * shift_x,
            velocity_y=self.velocity_y + velocity_gain * shift_y,
            variance=(1 - gain) * self.variance,
            covariance=(1 - gain) * self.covariance,
            velocity_variance=self.velocity_variance - velocity_gain * self.covariance,
        )
