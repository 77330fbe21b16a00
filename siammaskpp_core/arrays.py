"""Names of array types; who takes or gives an array documents its shape, units and frame."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""A picture, BGR [H, W, 3] unless said otherwise."""
Mask: TypeAlias = NDArray[np.uint8]
"""A mask [H, W], 0 or 255."""
Float32Array: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]
AnyArray: TypeAlias = NDArray[Any]
