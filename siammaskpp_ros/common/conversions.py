"""Between ROS images and the HxWx3 uint8 BGR arrays of the core.

What cameras send is converted by :mod:`siammaskpp_core.io.image_messages`, without cv_bridge: its binary is
built for one NumPy version and fails to import beside another. It is imported only for other encodings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from siammaskpp_core.io.image_messages import (
    NATIVE_ENCODINGS,
    ImageMessageError,
    compressed_to_bgr,
    is_known,
    raw_to_bgr,
)


def to_bgr(message: Image | CompressedImage) -> NDArray[np.uint8]:
    """The picture of a raw or compressed image message as HxWx3 uint8 BGR.

    bgr8 is a read-only view of the message's memory (no copy); rows may be padded (`step`).
    Raises :class:`ImageMessageError` for encodings and sizes that cannot be read.
    """
    if isinstance(message, CompressedImage):
        return compressed_to_bgr(message)
    return raw_to_bgr(message) if is_known(message.encoding) else _convert_with_cv_bridge(message)


def to_image(picture: NDArray[Any], encoding: str, header: Header) -> Image:
    """An image message of HxW uint8 (mono8), uint16 (16UC1), float32 (32FC1) or of HxWx3 uint8 (bgr8)."""
    height, width = picture.shape[:2]
    message = Image(header=header, height=height, width=width, encoding=encoding)
    message.step = picture[0].nbytes
    # Into the array that is there: the generated setter copies once more, or checks every byte (300 ms).
    message.data.frombytes(np.ascontiguousarray(picture).data.cast("B"))
    return message


def _convert_with_cv_bridge(message: Image) -> NDArray[np.uint8]:
    try:
        bridge = _cv_bridge()
    except Exception as error:  # a cv_bridge built for another NumPy fails with errors of many kinds
        raise ImageMessageError(
            f"encoding {message.encoding!r} needs cv_bridge, which cannot be imported ({error}). Install "
            "the package ros-<distro>-cv-bridge by apt, or publish one of "
            f"{', '.join(NATIVE_ENCODINGS)}"
        ) from error
    try:
        return np.asarray(bridge.imgmsg_to_cv2(message, desired_encoding="bgr8"), np.uint8)
    except Exception as error:  # CvBridgeError and cv2.error, whose classes differ between versions
        raise ImageMessageError(
            f"cv_bridge cannot convert encoding {message.encoding!r} to bgr8: {error}"
        ) from error


def _cv_bridge() -> Any:
    from cv_bridge import CvBridge

    return CvBridge()
