"""Images with 10 to 16 bits keep their grey levels, and look the same from image to image."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from siammaskpp_core.io.bit_depth import ValueRange
from siammaskpp_core.io.image_messages import compressed_to_bgr, raw_to_bgr
from siammaskpp_core.io.images import read_image
from siammaskpp_core.io.video import open_frames


def scene(bits: int, offset: int = 0, brightness: float = 1.0) -> np.ndarray:
    """Return a textured picture [H, W] uint16 of a camera with so many bits."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.random((120, 160)).astype(np.float32), (0, 0), 4)
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    return np.rint(noise * brightness * (2**bits - 1) + offset).astype(np.uint16)


def message(values: np.ndarray, encoding: str = "mono16") -> SimpleNamespace:
    height, width = values.shape[:2]
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=values[0].nbytes,
        data=values.tobytes(),
    )


def levels(picture: np.ndarray) -> int:
    return len(np.unique(picture))


@pytest.mark.parametrize(("bits", "offset"), [(10, 0), (12, 0), (14, 0), (11, 29_000), (16, 0)])
def test_grey_levels_survive_in_every_way_in(tmp_path: Path, bits: int, offset: int) -> None:
    """The last but one is a thermal camera, whose values are temperatures."""
    values = scene(bits, offset)
    path = tmp_path / "1.png"
    cv2.imwrite(str(path), values)
    compressed = SimpleNamespace(format="mono16; png compressed mono16", data=path.read_bytes())
    pictures = [
        raw_to_bgr(message(values)),
        raw_to_bgr(message(values, "16UC1")),
        compressed_to_bgr(compressed),
        read_image(path),
        next(iter(open_frames(tmp_path))),
    ]
    for picture in pictures:
        assert levels(picture) > 100
        np.testing.assert_array_equal(picture, pictures[0])
    grey = pictures[0][:, :, 0].astype(float)
    assert np.corrcoef(grey.ravel(), values.ravel())[0, 1] > 0.999


def test_sixteen_bits_are_divided_by_256() -> None:
    np.testing.assert_array_equal(raw_to_bgr(message(scene(16)))[:, :, 0], scene(16) >> 8)


def test_a_bright_spot_or_a_darker_scene_changes_nothing_else() -> None:
    stream = ValueRange()
    first = stream.to_8_bits(scene(12))
    lamp = scene(12)
    lamp[:20, :40] = 60_000
    np.testing.assert_array_equal(stream.to_8_bits(lamp)[20:], first[20:])
    darker = stream.to_8_bits(scene(12, brightness=0.5)).astype(float)
    assert darker.mean() < 0.75 * first.mean()


def test_a_scene_that_does_not_fit_has_a_new_range() -> None:
    stream = ValueRange()
    stream.to_8_bits(np.full((120, 160), 64, np.uint16))  # the lens is covered
    assert levels(stream.to_8_bits(scene(12))) > 100
    assert levels(stream.to_8_bits(scene(14))) > 100
    assert levels(stream.to_8_bits(scene(10))) > 100


def test_noise_is_not_made_stronger() -> None:
    values = np.random.default_rng(0).integers(500, 504, (120, 160), dtype=np.uint16)
    assert np.ptp(ValueRange().to_8_bits(values)) <= 4
