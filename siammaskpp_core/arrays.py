"""Names of array types. Functions document the shapes, units and frames of their arrays."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""An image [H, W, 3] in BGR order unless documented otherwise."""
Mask: TypeAlias = NDArray[np.uint8]
"""A mask [H, W] with the values 0 and 255."""
Float32Array: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]
AnyArray: TypeAlias = NDArray[Any]
