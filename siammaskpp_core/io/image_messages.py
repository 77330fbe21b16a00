"""Decode ROS image messages of a node or of a bag to BGR.

A message is any object with the fields of sensor_msgs/Image or sensor_msgs/CompressedImage; ROS is not
needed.
"""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np

from siammaskpp_core.arrays import AnyArray, Image
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.bit_depth import ValueRange


class RawImageMessage(Protocol):
    """The fields of sensor_msgs/Image that describe its pixels; `data` is a buffer of bytes."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedMessage(Protocol):
    """The fields of sensor_msgs/CompressedImage except its header; `data` is a buffer of bytes."""

    format: str
    data: Any


# Bytes per pixel of each encoding, and OpenCV's conversion to BGR (None for BGR itself).
NATIVE_ENCODINGS: dict[str, tuple[int, int | None]] = {
    "bgr8": (3, None),
    "8UC3": (3, None),
    "rgb8": (3, cv2.COLOR_RGB2BGR),
    "bgra8": (4, cv2.COLOR_BGRA2BGR),
    "8UC4": (4, cv2.COLOR_BGRA2BGR),
    "rgba8": (4, cv2.COLOR_RGBA2BGR),
    "mono8": (1, cv2.COLOR_GRAY2BGR),
    "8UC1": (1, cv2.COLOR_GRAY2BGR),
    "yuv422": (2, cv2.COLOR_YUV2BGR_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2BGR_UYVY),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2BGR_YUY2),
    "yuyv": (2, cv2.COLOR_YUV2BGR_YUY2),
    # ROS names a Bayer pattern after its upper left 2x2 pixels, OpenCV after the 2x2 pixels from (1, 1) on.
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2BGR),
}
# Encodings with 16 bits per channel, and what they are with 8 bits per channel.
DEEP_ENCODINGS = {
    "mono16": "mono8",
    "16UC1": "mono8",
    "16UC3": "bgr8",
    "16UC4": "bgra8",
    **{f"{colours}16": f"{colours}8" for colours in ("bgr", "rgb", "bgra", "rgba")},
    **{f"bayer_{pattern}16": f"bayer_{pattern}8" for pattern in ("rggb", "bggr", "gbrg", "grbg")},
}


class ImageMessageError(UserError):
    """An image message that cannot be decoded; the message names the cause and a remedy."""


def is_known(encoding: str) -> bool:
    """Return True for an encoding that :func:`raw_to_bgr` decodes."""
    return encoding in NATIVE_ENCODINGS or encoding in DEEP_ENCODINGS


def raw_to_bgr(message: RawImageMessage, value_range: ValueRange | None = None) -> Image:
    """Return the image of a raw message, uint8 [H, W, 3] BGR; rows may be padded (`step`).

    `value_range` is that of the stream, for images with 16 bits; without one, each image has its own. For
    bgr8 this is a read-only view of the message's memory, without a copy. Raises
    :class:`ImageMessageError` for an unknown encoding and for a size that contradicts the data.
    """
    if not is_known(message.encoding):
        raise ImageMessageError(
            f"encoding {message.encoding!r} cannot be read here; these can: "
            f"{', '.join((*NATIVE_ENCODINGS, *DEEP_ENCODINGS))}"
        )
    is_deep = message.encoding in DEEP_ENCODINGS
    channels, conversion = NATIVE_ENCODINGS[DEEP_ENCODINGS.get(message.encoding, message.encoding)]
    view = _view(message, channels, 2 if is_deep else 1)
    if is_deep:
        view = (value_range or ValueRange()).to_8_bits(view)
    if conversion is None:
        return view
    try:
        return np.asarray(cv2.cvtColor(view, conversion), np.uint8)
    except cv2.error as error:  # OpenCV refuses Bayer and YUV images with odd sides
        raise ImageMessageError(
            f"an image of {message.width}x{message.height} cannot be {message.encoding}: {error}; "
            "check its publisher"
        ) from error


def compressed_to_bgr(message: CompressedMessage, value_range: ValueRange | None = None) -> Image:
    """Return the image of a compressed message, uint8 [H, W, 3] BGR.

    `value_range` is that of the stream, for images with 16 bits. Raises :class:`ImageMessageError` when it
    cannot be decoded.
    """
    data = np.frombuffer(message.data, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if data.size else None
    if image is None:
        raise ImageMessageError(
            f"a compressed image of format {message.format!r} ({len(message.data)} bytes) cannot be decoded; "
            "JPEG and PNG images are expected (compressedDepth and video streams are not)"
        )
    if image.dtype == np.uint16:
        image = (value_range or ValueRange()).to_8_bits(image)
    return np.asarray(image, np.uint8)


def _view(message: RawImageMessage, channels: int, value_bytes: int = 1) -> AnyArray:
    """Return the message's memory as a read-only array [H, W], or [H, W, channels] for several channels."""
    height, width, step = message.height, message.width, message.step
    row = width * channels * value_bytes
    # Some publishers leave out the padding behind the last row.
    needed = step * (height - 1) + row
    if height == 0 or width == 0 or step < row or len(message.data) < needed:
        raise ImageMessageError(
            f"the image message contradicts itself: {width}x{height} {message.encoding} with step {step} "
            f"needs {max(needed, row * height)} bytes, but {len(message.data)} came; check its publisher"
        )
    shape = (height, width) if channels == 1 else (height, width, channels)
    strides = (step, channels * value_bytes, value_bytes)[: len(shape)]
    dtype = np.dtype(f"{'>' if message.is_bigendian else '<'}u{value_bytes}")
    view: AnyArray = np.ndarray(shape, dtype, buffer=message.data, strides=strides)
    view.flags.writeable = False
    return view
