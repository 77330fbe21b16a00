"""Points as PointCloud2."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header


def to_cloud(points_m: NDArray[np.float64], header: Header) -> PointCloud2:
    """An unorganised cloud of float32 x, y, z from points [N, 3]; all of them are finite."""
    values = np.ascontiguousarray(points_m, "<f4")
    # As in conversions.py: any other type would be checked byte by byte.
    data = array("B")
    data.frombytes(values.data.cast("B"))
    return PointCloud2(
        header=header,
        height=1,
        width=len(values),
        fields=[
            PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
            for index, name in enumerate("xyz")
        ],
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(values),
        data=data,
        is_dense=True,
    )
