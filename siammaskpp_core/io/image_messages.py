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
from siammaskpp_core.io.images import MediaError, decode, with_end_marker


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

# Encodings with a plane for the brightness and a quarter as many colours, and OpenCV's conversion to BGR.
PLANAR_ENCODINGS = {
    "nv12": cv2.COLOR_YUV2BGR_NV12,
    "nv21": cv2.COLOR_YUV2BGR_NV21,
    "i420": cv2.COLOR_YUV2BGR_I420,
    "yv12": cv2.COLOR_YUV2BGR_YV12,
}
_ENCODINGS = (*NATIVE_ENCODINGS, *DEEP_ENCODINGS, *PLANAR_ENCODINGS)
_KNOWN = {encoding.lower(): encoding for encoding in _ENCODINGS}


class ImageMessageError(UserError):
    """An image message that cannot be decoded; the message names the cause and a remedy."""


def raw_to_bgr(message: RawImageMessage, value_range: ValueRange | None = None) -> Image:
    """Return the image of a raw message, uint8 [H, W, 3] BGR; rows may be padded (`step`).

    `value_range` is that of the stream, for images with 16 bits; without one, each image has its own. For
    bgr8 this is a read-only view of the message's memory, without a copy. Raises
    :class:`ImageMessageError` for an unknown encoding and for a size that contradicts the data.
    """
    encoding = _KNOWN.get(message.encoding.lower(), "")
    if not encoding:
        raise ImageMessageError(
            f"encoding {message.encoding!r} cannot be read; let the camera's driver publish one of these: "
            f"{', '.join(_ENCODINGS)}"
        )
    view: AnyArray
    conversion: int | None
    if encoding in PLANAR_ENCODINGS:
        view, conversion = _planes(message), PLANAR_ENCODINGS[encoding]
    else:
        is_deep = encoding in DEEP_ENCODINGS
        channels, conversion = NATIVE_ENCODINGS[DEEP_ENCODINGS.get(encoding, encoding)]
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

    Its format is that of compressed_image_transport, ``<encoding>; jpeg compressed <colours>``: a Bayer
    pattern may be stored as a grey image, and red and blue may be exchanged. `value_range` is that of the
    stream, for images with 16 bits. Raises :class:`ImageMessageError` when it cannot be decoded.
    """
    data = bytes(message.data)
    whole = with_end_marker(data)
    if whole is None:
        raise ImageMessageError(
            f"a JPEG image of {len(data)} bytes is cut off and cannot be decoded; check the camera's cable, "
            "and whether its driver's buffers are large enough"
        )
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    try:
        image = decode(whole, flags)
    except MediaError as error:
        raise ImageMessageError(f"a compressed image of format {message.format!r}: {error}") from error
    if image is None:
        raise ImageMessageError(
            f"a compressed image of format {message.format!r} ({len(data)} bytes) cannot be decoded; "
            "JPEG and PNG images are expected (compressedDepth and video streams are not)"
        )
    if image.dtype == np.uint16:
        image = (value_range or ValueRange()).to_8_bits(image)
    encoding = message.format.split(";")[0].strip()
    if image.ndim == 2:
        _, conversion = NATIVE_ENCODINGS.get(DEEP_ENCODINGS.get(encoding, encoding), (1, None))
        if conversion is None or not encoding.startswith("bayer_"):
            conversion = cv2.COLOR_GRAY2BGR
        image = cv2.cvtColor(image, conversion)
    elif "compressed rgb" in message.format:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return np.asarray(image, np.uint8)


def _planes(message: RawImageMessage) -> Image:
    """Return the planes of a YUV 4:2:0 image below each other, [3 H / 2, W], as OpenCV expects them."""
    height, width, step = message.height, message.width, message.step
    if len(message.data) == width * height * 3 // 2:
        step = width  # some publishers give the mean number of bytes of a row, with the colours
    needed = step * height * 3 // 2
    if not (height and width) or height % 2 or width % 2 or step < width or len(message.data) < needed:
        raise ImageMessageError(
            f"the image message contradicts itself: {width}x{height} {message.encoding} with step {step} "
            f"needs even sides and {needed} bytes, but {len(message.data)} came; check its publisher"
        )
    data = np.frombuffer(message.data, np.uint8, needed)
    if step == width:
        return data.reshape(-1, width)
    if message.encoding.lower() in ("nv12", "nv21"):
        return np.ascontiguousarray(data.reshape(-1, step)[:, :width])
    # The two planes of colours have rows of half the length.
    luma = data[: step * height].reshape(height, step)[:, :width]
    colours = data[step * height :].reshape(height, step // 2)[:, : width // 2]
    return np.concatenate([luma.ravel(), colours.ravel()]).reshape(-1, width)


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
