"""Convert ROS image messages to BGR arrays and arrays to image messages.

:mod:`siammaskpp_core.io.image_messages` decodes all encodings that cv_bridge converts to colours, and more.
The binary of cv_bridge is built for one NumPy version and fails to import with another.
"""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from siammaskpp_core import arrays
from siammaskpp_core.io.bit_depth import ValueRange
from siammaskpp_core.io.image_messages import compressed_to_bgr, raw_to_bgr


def to_bgr(message: Image | CompressedImage, value_range: ValueRange | None = None) -> arrays.Image:
    """Return the image of a raw or compressed message, BGR uint8 [H, W, 3].

    For bgr8 it is a read-only view of the message's memory, without a copy; rows may be padded (`step`).
    `value_range` is that of the stream, for images with 16 bits.
    Raises :class:`~siammaskpp_core.io.image_messages.ImageMessageError` for encodings and sizes that cannot
    be read.
    """
    if isinstance(message, CompressedImage):
        return compressed_to_bgr(message, value_range)
    return raw_to_bgr(message, value_range)


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
