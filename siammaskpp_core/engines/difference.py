"""How far the outputs of two runtimes are apart, and the error when they are too far apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from siammaskpp_core.arrays import AnyArray
from siammaskpp_core.network.protocol import EngineError

_SMALLEST = float(np.finfo(np.float32).tiny)
"""Smallest magnitude of a reference: outputs may be zero throughout."""


class DifferenceError(EngineError):
    """A runtime computes something else than the reference; the message names outputs and differences."""


def relative_difference(values: AnyArray, reference: AnyArray) -> float:
    """The largest absolute difference, divided by the largest absolute value of `reference`.

    It is 0 where both are zero throughout, and NaN where `values` holds a NaN.
    """
    return float(np.abs(values - reference).max()) / max(float(np.abs(reference).max()), _SMALLEST)


class RelativeRms:
    """The root mean square of values - reference, divided by that of the references, over several arrays."""

    def __init__(self) -> None:
        self._noise = self._signal = 0.0

    def add(self, values: AnyArray, reference: AnyArray) -> None:
        """Add `values` and their `reference`, arrays of the same shape."""
        self._noise += float(np.square(values - reference).sum())
        self._signal += float(np.square(reference).sum())

    @property
    def value(self) -> float:
        """The relative difference of everything that was added."""
        return float(np.sqrt(self._noise / max(self._signal, _SMALLEST)))


def check_differences(
    differences: Mapping[str, float], tolerance: float, statement: str, remedy: str = ""
) -> None:
    """Raise :class:`DifferenceError` when one of the `differences`, by output, exceeds `tolerance` or is NaN.

    The message is `statement` ("A differs from B by more than ..."), the outputs concerned, and the `remedy`.
    """
    wrong = {name: value for name, value in differences.items() if not value <= tolerance}
    if wrong:
        listed = ", ".join(f"{name} by {value:#.2g}" for name, value in wrong.items())
        raise DifferenceError(f"{statement}: {listed}" + (f"; {remedy}" if remedy else ""))
