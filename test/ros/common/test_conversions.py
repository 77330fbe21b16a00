"""Conversion of image messages to BGR arrays and back, without a running node."""

from __future__ import annotations

import time
from array import array

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from siammaskpp_core.io.image_messages import ImageMessageError
from siammaskpp_ros.common.conversions import to_bgr, to_image

HEADER = Header(stamp=Time(sec=7, nanosec=9), frame_id="camera")


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def message(pixels: NDArray[np.uint8], encoding: str, padding: int = 0) -> Image:
    rows = pixels.reshape(len(pixels), -1)
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=99).tobytes()
    height, width = pixels.shape[:2]
    return Image(height=height, width=width, encoding=encoding, step=rows.shape[1] + padding, data=data)


@pytest.mark.parametrize("padding", [0, 5])
def test_every_encoding_gives_the_same_colours(picture: NDArray[np.uint8], padding: int) -> None:
    alpha = np.full((5, 7, 1), 40, np.uint8)
    rgb = picture[:, :, ::-1]
    for pixels, encodings in (
        (picture, ("bgr8", "8UC3")),
        (rgb, ("rgb8",)),
        (np.concatenate([picture, alpha], axis=2), ("bgra8", "8UC4")),
        (np.concatenate([rgb, alpha], axis=2), ("rgba8",)),
    ):
        for encoding in encodings:
            np.testing.assert_array_equal(to_bgr(message(pixels, encoding, padding)), picture, encoding)
    grey = picture[:, :, 0]
    for encoding in ("mono8", "8UC1"):
        result = to_bgr(message(grey, encoding, padding))
        np.testing.assert_array_equal(result, np.dstack([grey, grey, grey]))


FLAT_BGR = (30, 120, 220)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("padding", [0, 5])
def test_bayer_patterns_name_the_upper_left_pixels(pattern: str, padding: int) -> None:
    mosaic = np.empty((6, 8), np.uint8)
    for place, channel in enumerate(pattern):
        mosaic[place // 2 :: 2, place % 2 :: 2] = FLAT_BGR["bgr".index(channel)]
    expected = np.full((6, 8, 3), FLAT_BGR, np.uint8)
    np.testing.assert_array_equal(to_bgr(message(mosaic, f"bayer_{pattern}8", padding)), expected)


@pytest.mark.parametrize(
    ("encoding", "order"),
    [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")],
)
def test_yuv_with_half_the_colours(encoding: str, order: str) -> None:
    blue, green, red = np.array(FLAT_BGR) / 255
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601, studio range
    values = {
        "y": 16 + 219 * luma,
        "u": 128 + 112 * (blue - luma) / 0.886,
        "v": 128 + 112 * (red - luma) / 0.701,
    }
    pair = np.array([round(values[letter]) for letter in order], np.uint8)
    source = message(np.tile(pair, (6, 4)).reshape(6, 8, 2), encoding, padding=3)
    np.testing.assert_allclose(to_bgr(source), np.full((6, 8, 3), FLAT_BGR), atol=2)


@pytest.mark.parametrize("order", ["<u2", ">u2"])
@pytest.mark.parametrize("encoding", ["mono16", "bgr16", "rgb16", "bgra16", "rgba16"])
def test_of_sixteen_bits_the_upper_eight_are_kept(
    picture: NDArray[np.uint8], encoding: str, order: str
) -> None:
    channels = {"mono": [0], "bgr": [0, 1, 2], "rgb": [2, 1, 0], "bgra": [0, 1, 2, 0], "rgba": [2, 1, 0, 0]}
    deep = np.ascontiguousarray(picture[:, :, channels[encoding[:-2]]], order) * 256 + 77
    source = message(np.ascontiguousarray(deep, order).view(np.uint8), encoding, padding=3)
    source.width, source.is_bigendian = 7, int(order == ">u2")
    expected = picture if encoding != "mono16" else np.dstack([picture[:, :, 0]] * 3)
    np.testing.assert_array_equal(to_bgr(source), expected)


def test_an_odd_yuv_picture_is_refused() -> None:
    with pytest.raises(ImageMessageError, match="7x5 cannot be yuv422"):
        to_bgr(message(np.zeros((5, 7, 2), np.uint8), "yuv422"))


def test_bgr8_is_not_copied_and_cannot_be_written(picture: NDArray[np.uint8]) -> None:
    source = message(picture, "bgr8")
    view = to_bgr(source)
    source.data[0] = 255 - source.data[0]
    assert view[0, 0, 0] == source.data[0]
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0, 0] = 1


def test_the_padding_of_the_last_row_may_be_missing(picture: NDArray[np.uint8]) -> None:
    source = message(picture, "bgr8", padding=5)
    source.data = source.data[:-5]
    np.testing.assert_array_equal(to_bgr(source), picture)


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"height": 0}, {"step": 3}, {"height": 6}, {"data": array("B", [1, 2, 3])}]
)
def test_a_message_that_contradicts_itself_is_refused(picture: NDArray[np.uint8], change: dict) -> None:
    source = message(picture, "bgr8")
    for name, value in change.items():
        setattr(source, name, value)
    with pytest.raises(ImageMessageError, match="contradicts itself"):
        to_bgr(source)


def test_an_unknown_encoding_names_those_that_can_be_read(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageMessageError, match=r"'32FC1' cannot be read.*bgr8.*nv12"):
        to_bgr(message(picture[:, :, 0], "32FC1"))


def planes(encoding: str, padding: int) -> Image:
    """Return an image of FLAT_BGR, 8x6, whose lower half is black."""
    blue, green, red = np.array(FLAT_BGR) / 255
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    colours = {"u": 128 + 112 * (blue - luma) / 0.886, "v": 128 + 112 * (red - luma) / 0.701}
    y = np.full((6, 8), 16, np.uint8)
    y[:3] = round(16 + 219 * luma)
    u, v = (np.full((3, 4), 128, np.uint8) for _ in range(2))
    u[:2], v[:2] = round(colours["u"]), round(colours["v"])
    order = {"nv12": (u, v), "nv21": (v, u), "i420": (u, v), "yv12": (v, u)}[encoding.lower()]
    is_interleaved = encoding.lower().startswith("nv")
    rows = [*y, *np.dstack(order).reshape(3, 8)] if is_interleaved else [*y, *order[0], *order[1]]
    padded = [np.pad(row, (0, padding * len(row) // 8), constant_values=99) for row in rows]
    data = np.concatenate(padded).tobytes()
    return Image(height=6, width=8, encoding=encoding, step=8 + padding, data=data)


@pytest.mark.parametrize("encoding", ["nv12", "nv21", "i420", "yv12", "NV12"])
@pytest.mark.parametrize("padding", [0, 4])
def test_yuv_in_planes(encoding: str, padding: int) -> None:
    result = to_bgr(planes(encoding, padding))
    np.testing.assert_allclose(result[:3], np.full((3, 8, 3), FLAT_BGR), atol=2)
    np.testing.assert_allclose(result[4:], 0, atol=2)


def test_yuv_in_planes_that_contradict_themselves() -> None:
    mean_step = planes("nv12", 0)
    mean_step.step = 12  # 12 bits per pixel
    assert to_bgr(mean_step).shape == (6, 8, 3)
    for name, value in (("height", 8), ("width", 7), ("step", 9), ("data", array("B", [1]))):
        broken = planes("i420", 4)
        setattr(broken, name, value)
        if name == "step":
            broken.data = broken.data[:60]
        with pytest.raises(ImageMessageError, match="contradicts itself"):
            to_bgr(broken)


def test_bayer_patterns_in_compressed_images() -> None:
    mosaic = np.empty((6, 8), np.uint8)
    for place, channel in enumerate("rggb"):
        mosaic[place // 2 :: 2, place % 2 :: 2] = FLAT_BGR["bgr".index(channel)]
    expected = np.full((6, 8, 3), FLAT_BGR, np.uint8)
    data = cv2.imencode(".png", mosaic)[1].tobytes()
    source = CompressedImage(format="bayer_rggb8; png compressed bayer_rggb8", data=data)
    np.testing.assert_array_equal(to_bgr(source), expected)
    deep = cv2.imencode(".png", mosaic.astype(np.uint16) * 257)[1].tobytes()
    source = CompressedImage(format="bayer_rggb16; png compressed bayer_rggb16", data=deep)
    np.testing.assert_array_equal(to_bgr(source), expected)
    # The transport has converted the pattern itself.
    data = cv2.imencode(".png", expected)[1].tobytes()
    source = CompressedImage(format="bayer_rggb8; png compressed bgr8", data=data)
    np.testing.assert_array_equal(to_bgr(source), expected)


def test_exchanged_colours_in_compressed_images(picture: NDArray[np.uint8]) -> None:
    normal = cv2.imencode(".png", picture)[1].tobytes()
    exchanged = cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()
    for format, data in (
        ("rgb8; jpeg compressed rgb8", exchanged),
        ("bgr8; png compressed rgb8", exchanged),
        ("rgb8; jpeg compressed bgr8", normal),
        ("bgr8; jpeg compressed bgr8", normal),
        ("rgb8; jpeg compressed", normal),
        ("mono8; jpeg compressed mono8", normal),
        ("jpeg", normal),
        ("", normal),
    ):
        np.testing.assert_array_equal(to_bgr(CompressedImage(format=format, data=data)), picture, format)


@pytest.mark.parametrize(
    "options", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 4]]
)
def test_a_jpeg_that_is_cut_off_is_refused_and_one_without_an_end_marker_is_not(options: list[int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    scene = cv2.GaussianBlur(noise, (0, 0), 3)
    whole = cv2.imencode(".jpg", scene, options)[1].tobytes()
    expected = to_bgr(CompressedImage(format="jpeg", data=whole))
    for end in (b"", b"\xff", b"\x00" * 20):
        complete = CompressedImage(format="jpeg", data=whole[:-2] + end)
        np.testing.assert_array_equal(to_bgr(complete), expected)
    for fraction in (0.6, 0.8, 0.95, 0.99):
        part = CompressedImage(format="jpeg", data=whole[: int(len(whole) * fraction)])
        with pytest.raises(ImageMessageError, match="is cut off"):
            to_bgr(part)


def test_compressed_images(picture: NDArray[np.uint8]) -> None:
    data = cv2.imencode(".png", picture)[1].tobytes()
    np.testing.assert_array_equal(to_bgr(CompressedImage(format="png", data=data)), picture)
    for bad in (b"", b"no picture"):
        with pytest.raises(ImageMessageError, match="cannot be decoded"):
            to_bgr(CompressedImage(format="h264", data=bad))


def test_messages_carry_the_picture_and_the_given_header(picture: NDArray[np.uint8]) -> None:
    part = np.zeros((10, 20, 3), np.uint8)[2:7, 3:10]  # rows that are not contiguous in memory
    part[:] = picture
    result = to_image(part, "bgr8", HEADER)
    assert (result.header, result.encoding) == (HEADER, "bgr8")
    assert (result.height, result.width, result.step) == (5, 7, 21)
    np.testing.assert_array_equal(to_bgr(result), picture)
    mask = to_image(picture[:, :, 0], "mono8", HEADER)
    assert (mask.step, len(mask.data)) == (7, 35)


def test_filling_a_large_message_is_fast() -> None:
    """ros2/rclpy#763, ros2/rosidl_python#79: assigning an array or a list takes 50 to 300 ms here."""
    large = np.zeros((720, 1280, 3), np.uint8)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        to_image(large, "bgr8", HEADER)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.02
