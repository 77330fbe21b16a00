"""Convert ROS image messages to BGR arrays and arrays to image messages.

The usual encodings are decoded by :mod:`siammaskpp_core.io.image_messages`. cv_bridge is imported only for
the other ones: its binary is built for one NumPy version and fails to import with another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from siammaskpp_core import arrays
from siammaskpp_core.io.bit_depth import ValueRange
from siammaskpp_core.io.image_messages import (
    NATIVE_ENCODINGS,
    ImageMessageError,
    compressed_to_bgr,
    is_known,
    raw_to_bgr,
)


def to_bgr(message: Image | CompressedImage, value_range: ValueRange | None = None) -> arrays.Image:
    """Return the image of a raw or compressed message, BGR uint8 [H, W, 3].

    For bgr8 it is a read-only view of the message's memory, without a copy; rows may be padded (`step`).
    `value_range` is that of the stream, for images with 16 bits.
    Raises :class:`ImageMessageError` for encodings and sizes that cannot be read.
    """
    if isinstance(message, CompressedImage):
        return compressed_to_bgr(message, value_range)
    return (
        raw_to_bgr(message, value_range) if is_known(message.encoding) else _convert_with_cv_bridge(message)
    )


def to_image(picture: arrays.AnyArray, encoding: str, header: Header) -> Image:
    """Return an image message.

    `picture` is uint8 [H, W] for mono8, uint16 [H, W] for 16UC1, float32 [H, W] for 32FC1, or uint8
    [H, W, 3] for bgr8.
    """
    height, width = picture.shape[:2]
    message = Image(header=header, height=height, width=width, encoding=encoding)
    message.step = picture[0].nbytes
    # Filled in place: the generated setter of `data` makes another copy, or checks every byte (300 ms).
    message.data.frombytes(np.ascontiguousarray(picture).data.cast("B"))
    return message


def _convert_with_cv_bridge(message: Image) -> arrays.Image:
    try:
        bridge = _cv_bridge()
    except Exception as error:  # a cv_bridge built for another NumPy raises errors of many classes
        raise ImageMessageError(
            f"encoding {message.encoding!r} needs cv_bridge, which cannot be imported ({error}). Install "
            "the package ros-<distro>-cv-bridge by apt, or publish one of "
            f"{', '.join(NATIVE_ENCODINGS)}"
        ) from error
    try:
        return np.asarray(bridge.imgmsg_to_cv2(message, desired_encoding="bgr8"), np.uint8)
    except Exception as error:  # CvBridgeError or cv2.error, depending on the version
        raise ImageMessageError(
            f"cv_bridge cannot convert encoding {message.encoding!r} to bgr8: {error}"
        ) from error


def _cv_bridge() -> Any:
    from cv_bridge import CvBridge

    return CvBridge()
