"""One rule for images: bit depth, alpha channel, EXIF orientation."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from siammaskpp_core.io.images import (
    MediaError,
    image_files,
    open_as_stored,
    other_images,
    read_annotation,
    read_image,
    stored_size,
    write_image,
)

WIDTH, HEIGHT = 48, 32


def gradient() -> np.ndarray:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, :, 0] = np.linspace(0, 250, WIDTH).astype(np.uint8)
    image[:, :, 2] = 90
    return image


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """A JPEG whose EXIF orientation says that it is to be turned by 90 degrees."""
    PillowImage = pytest.importorskip("PIL.Image")
    path = tmp_path / "turned.jpg"
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(gradient()[:, :, ::-1]).save(path, exif=exif, quality=95)
    return path


def test_names_of_letters_and_digits_can_be_compared(tmp_path):
    for name in ("1.png", "a.png", "a2.png", "2b.png"):
        (tmp_path / name).touch()
    assert [path.name for path in image_files(tmp_path)] == ["1.png", "2b.png", "a.png", "a2.png"]


def test_hidden_files_are_no_images(tmp_path):
    """macOS writes ._0001.jpg beside 0001.jpg on disks of other systems."""
    for name in ("0001.jpg", "._0001.jpg", ".0002.png"):
        (tmp_path / name).touch()
    assert [path.name for path in image_files(tmp_path)] == ["0001.jpg"]


def test_images_of_other_formats_are_told_from_other_files(tmp_path):
    for name in ("1.jpg", "2.heic", "3.avif", "notes.txt", "video.mp4", "._4.heic"):
        (tmp_path / name).touch()
    assert [path.name for path in other_images(tmp_path)] == ["2.heic", "3.avif"]


def test_eight_bits_and_no_alpha_channel(tmp_path):
    image = gradient()
    cv2.imwrite(str(tmp_path / "deep.png"), image.astype(np.uint16) * 256)
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([image, np.full((HEIGHT, WIDTH), 9, np.uint8)]))
    cv2.imwrite(str(tmp_path / "grey.png"), image[:, :, 0])
    for name in ("deep.png", "alpha.png"):
        read = read_image(tmp_path / name)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, image)
    assert read_image(tmp_path / "grey.png").shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", is_grey=True), image[:, :, 0])


def test_exif_turns_an_image_unless_it_is_wanted_as_stored(turned):
    assert read_image(turned).shape == (WIDTH, HEIGHT, 3)
    stored = read_image(turned, as_stored=True)
    assert stored.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(stored.astype(int) - gradient()).mean() < 4
    assert read_image(turned, is_grey=True, as_stored=True).shape == (HEIGHT, WIDTH)
    assert stored_size(turned) == (HEIGHT, WIDTH)


def test_annotations_keep_grey_and_the_colours_of_a_palette(tmp_path):
    PillowImage = pytest.importorskip("PIL.Image")
    numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
    numbers[4:8, 4:8] = 2
    cv2.imwrite(str(tmp_path / "grey.png"), numbers)
    np.testing.assert_array_equal(read_annotation(tmp_path / "grey.png"), numbers)
    palette = PillowImage.fromarray(numbers, "P")
    palette.putpalette([0, 0, 0, 10, 20, 30, 200, 100, 50])
    palette.save(tmp_path / "palette.png")
    assert read_annotation(tmp_path / "palette.png")[5, 5].tolist() == [50, 100, 200]
    with open_as_stored(tmp_path / "palette.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened), numbers)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(MediaError, match=r"none\.png: no such file"):
        read_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("text")
    for read in (read_image, read_annotation):
        with pytest.raises(MediaError, match=r"text\.png: not a readable image"):
            read(tmp_path / "text.png")


@pytest.mark.parametrize("fraction", [0.3, 0.9])
def test_a_jpeg_that_is_cut_off_is_not_half_an_image(turned, tmp_path, fraction):
    """OpenCV returns the part that was read, on grey, and only prints a warning."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for whole in (cv2.imencode(".jpg", noise)[1].tobytes(), turned.read_bytes()):
        (tmp_path / "cut.jpg").write_bytes(whole[: int(len(whole) * fraction)])
        with pytest.raises(MediaError, match=r"cut\.jpg: not a"):
            read_image(tmp_path / "cut.jpg")
        (tmp_path / "more.jpg").write_bytes(whole + b"the film of a motion photo")
        assert read_image(tmp_path / "more.jpg").ndim == 3


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_image_that_cannot_be_written_raises_the_error_of_the_system(tmp_path, suffix):
    write_image(tmp_path / f"good{suffix}", gradient())
    assert np.abs(read_image(tmp_path / f"good{suffix}").astype(int) - gradient()).mean() < 4
    (tmp_path / f"full{suffix}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        write_image(tmp_path / f"full{suffix}", gradient())


def bomb(side: int = 12_000) -> bytes:
    """A PNG of a few kB that stands for 144 million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    rows = b"".join([packer.compress(bytes(side // 8 + 1)) for _ in range(side)]) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize(
    "read",
    [
        "from siammaskpp_core.io.images import read_image; read_image(path)",
        "from siammaskpp_core.io.images import read_annotation; read_annotation(path)",
        "from siammaskpp_core.io.images import stored_size; stored_size(path)",
        "from siammaskpp_core.io.image_messages import compressed_to_bgr\n"
        "    from types import SimpleNamespace\n"
        "    compressed_to_bgr(SimpleNamespace(format='png', data=path.read_bytes()))",
    ],
    ids=["image", "annotation", "size", "message"],
)
def test_a_small_file_of_a_huge_image(read, tmp_path):
    """In a process of its own, whose peak of memory is looked at."""
    if "stored_size" in read:
        pytest.importorskip("PIL")
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb())
    assert path.stat().st_size < 100_000
    program = (
        "import sys\nfrom pathlib import Path\nimport siammaskpp_core.io.images\n"
        "from siammaskpp_core.errors import UserError\npath = Path(sys.argv[1])\n"
        f"try:\n    {read}\nexcept (UserError, OSError) as error:\n    print(error)\n"
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[3]))
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    message, _, peak_kb = done.stdout.rstrip().rpartition("\n")
    assert "134,217,728 pixels" in message, done
    assert "\n" not in message
    assert int(peak_kb) < 200_000
