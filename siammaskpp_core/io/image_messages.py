"""Pictures out of ROS image messages, wherever these come from: a node or a bag.

A message is anything with the fields of sensor_msgs/Image or sensor_msgs/CompressedImage; no ROS is needed.
"""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np

from siammaskpp_core.arrays import Image
from siammaskpp_core.errors import UserError


class RawMessage(Protocol):
    """The fields of sensor_msgs/Image that make the picture."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any  # a buffer of bytes


class CompressedMessage(Protocol):
    """The fields of sensor_msgs/CompressedImage that make the picture."""

    format: str
    data: Any  # a buffer of bytes


# Encoding -> number of channels and OpenCV's conversion to BGR (None: it is BGR already).
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
    # ROS names the upper left 2x2 pixels, OpenCV's constants the ones from (1, 1) on.
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2BGR),
}
# 16 bits a channel, of which the upper 8 are kept -> the encoding that is left then.
DEEP_ENCODINGS = {"mono16": "mono8", "bgr16": "bgr8", "rgb16": "rgb8", "bgra16": "bgra8", "rgba16": "rgba8"}


class ImageMessageError(UserError):
    """An image message that cannot be read; the text says why and what to do."""


def is_known(encoding: str) -> bool:
    """Whether :func:`raw_to_bgr` can read it."""
    return encoding in NATIVE_ENCODINGS or encoding in DEEP_ENCODINGS


def raw_to_bgr(message: RawMessage) -> Image:
    """The picture of a raw image message as HxWx3 uint8 BGR.

    bgr8 is a read-only view of the message's memory (no copy); rows may be padded (`step`).
    Raises :class:`ImageMessageError` for encodings and sizes that cannot be read.
    """
    if not is_known(message.encoding):
        raise ImageMessageError(
            f"encoding {message.encoding!r} cannot be read here; these can: "
            f"{', '.join((*NATIVE_ENCODINGS, *DEEP_ENCODINGS))}"
        )
    is_deep = message.encoding in DEEP_ENCODINGS
    channels, conversion = NATIVE_ENCODINGS[DEEP_ENCODINGS.get(message.encoding, message.encoding)]
    view = _upper_bytes(message, channels) if is_deep else _view(message, channels)
    if conversion is None:
        return view
    try:
        return np.asarray(cv2.cvtColor(view, conversion), np.uint8)
    except cv2.error as error:  # Bayer and YUV pictures have even sides
        raise ImageMessageError(
            f"a picture of {message.width}x{message.height} cannot be {message.encoding}: {error}; "
            "check its publisher"
        ) from error


def compressed_to_bgr(message: CompressedMessage) -> Image:
    """The picture of a compressed image message, likewise."""
    data = np.frombuffer(message.data, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise ImageMessageError(
            f"a compressed image of format {message.format!r} ({data.size} bytes) cannot be decoded; "
            "JPEG and PNG pictures are expected (compressedDepth and video streams are not)"
        )
    return np.asarray(picture, np.uint8)


def _view(message: RawMessage, channels: int) -> Image:
    """The message's memory as a read-only array of height x width (x channels)."""
    height, width, step = message.height, message.width, message.step
    row = width * channels
    # The padding behind the last row is often not sent.
    needed = step * (height - 1) + row
    if height == 0 or width == 0 or step < row or len(message.data) < needed:
        raise ImageMessageError(
            f"the image message contradicts itself: {width}x{height} {message.encoding} with step {step} "
            f"needs {max(needed, row * height)} bytes, but {len(message.data)} came; check its publisher"
        )
    shape = (height, width) if channels == 1 else (height, width, channels)
    strides = (step, channels, 1)[: len(shape)]
    view: Image = np.ndarray(shape, np.uint8, buffer=message.data, strides=strides)
    view.flags.writeable = False
    return view


def _upper_bytes(message: RawMessage, channels: int) -> Image:
    """The more significant byte of each 16-bit value, height x width (x channels)."""
    pairs = _view(message, 2 * channels)
    upper = pairs[:, :, (0 if message.is_bigendian else 1) :: 2]
    return np.ascontiguousarray(upper[:, :, 0] if channels == 1 else upper)
