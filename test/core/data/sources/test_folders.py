"""Folders of pictures with masks and folders of videos as sources of objects."""

import shutil

import cv2
import numpy as np
import pytest
from turned import write_turned

from siammaskpp_core.config import ConfigError
from siammaskpp_core.data.sources import open_source


@pytest.mark.parametrize(
    ("spec", "count", "masked"),
    [("masks:stills", 4, True), ("videos:videos", 1, False), ("videos:davis", 1, True)],
)
def test_folders(data, spec, count, masked):
    source = open_source(spec, data, 30)
    assert len(source) == count
    for sample in source.pair(0, np.random.default_rng(0)):
        x, y, w, h = sample.box_xywh
        assert (y, w, h) == (35, 51, 51)
        assert sample.image.shape == (120, 160, 3)
        assert abs(int(sample.image[60, int(x + 25), 2]) - 220) < 25
        assert (sample.mask is not None) is masked
        if masked:
            assert np.count_nonzero(sample.mask) == pytest.approx(np.pi * 25.5**2, rel=0.05)


@pytest.mark.parametrize(
    ("frame_range", "distances"), [(0, {0}), (1, {-10, 0, 10}), (2, {-20, -10, 0, 10, 20})]
)
def test_frames_of_a_video_pair_are_near(data, frame_range, distances):
    """The disc moves 10 pixels a frame; it is absent in the third of four."""
    source = open_source("videos:videos", data, frame_range)
    rng = np.random.default_rng(0)
    pairs = [source.pair(0, rng) for _ in range(100)]
    assert {int(second.box_xywh[0] - first.box_xywh[0]) for first, second in pairs} == distances
    assert 55 not in {int(first.box_xywh[0]) for first, _ in pairs}


def test_objects_of_one_video_are_in_one_scene(data, tmp_path):
    """OTB's Jogging is like this: it has a ground truth for each of two persons."""
    for name in ("disc", "pair"):
        folder = shutil.copytree(data / "videos/disc", tmp_path / name)
    truth = folder / "groundtruth_rect.txt"
    shutil.copy(truth, folder / "groundtruth_rect.1.txt")
    truth.rename(folder / "groundtruth_rect.2.txt")
    source = open_source("videos:.", tmp_path, 0)
    assert [source.scene(index) for index in range(len(source))] == [0, 1, 1]


@pytest.fixture
def stills(data, tmp_path):
    """A copy of the pictures and masks, which a test may damage."""
    return shutil.copytree(data / "stills", tmp_path / "stills")


def opened(stills):
    return open_source("masks:stills", stills.parent, 0)


def count_object_pixels(source):
    rng = np.random.default_rng(0)
    return [np.count_nonzero(source.sample(index, rng).mask) for index in range(len(source))]


@pytest.mark.parametrize("value", [1, 100])
def test_masks_of_any_value(stills, value):
    before = count_object_pixels(opened(stills))
    for path in (stills / "masks").iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) // 255 * value)
    assert count_object_pixels(opened(stills)) == before


def test_pictures_of_every_format_are_read(stills):
    for index, suffix in enumerate((".png", ".JPG", ".jpeg")):
        path = stills / f"images/{index}.jpg"
        cv2.imwrite(str(path.with_suffix(suffix)), cv2.imread(str(path)))
        path.unlink()
    (stills / "images/._0.png").write_bytes(b"a resource fork")
    (stills / "images/9.heic").touch()
    source = opened(stills)
    assert len(source) == 4
    (message,) = source.left_out
    assert "9.heic: .heic images are not read" in message


def test_pictures_and_masks_are_read_as_they_are_stored(stills):
    path = stills / "images/0.jpg"
    write_turned(path, cv2.imread(str(path)))
    sample = opened(stills).sample(0, np.random.default_rng(0))
    assert sample.image.shape == (120, 160, 3)
    assert abs(int(sample.image[60, 60, 2]) - 220) < 25


def test_pictures_that_cannot_be_used_are_named_at_the_start(stills):
    (stills / "masks/0.png").unlink()
    (stills / "images/1.jpg").write_bytes(b"")
    cv2.imwrite(str(stills / "masks/2.png"), np.full((160, 120), 255, np.uint8))
    source = opened(stills)
    assert len(source) == 1
    expected = ("0.jpg: its mask cannot be used", "1.jpg: not a readable", "differ in size; if the image is")
    assert len(source.left_out) == 3
    for message, part in zip(source.left_out, expected, strict=True):
        assert part in message
    numbers = np.zeros((120, 160), np.uint8)
    numbers[:40], numbers[80:] = 1, 2
    cv2.imwrite(str(stills / "masks/3.png"), numbers)
    with pytest.raises(ConfigError, match=r"no picture can be used(.|\n)*3.png: holds several objects"):
        opened(stills)
    cv2.imwrite(str(stills / "masks/3.png"), 0 * numbers)
    with pytest.raises(ConfigError, match=r"3.jpg: its mask is empty"):
        opened(stills)


def test_frames_that_cannot_be_read_are_never_drawn(data, tmp_path):
    for name, truth in (("disc", None), ("tiny", "1,2,3,4\n" * 4), ("cut", "1,2,3,4\n" * 9)):
        folder = shutil.copytree(data / "videos/disc", tmp_path / name)
        if truth:
            (folder / "groundtruth_rect.txt").write_text(truth)
    (tmp_path / "disc/img/0000.jpg").write_bytes(b"")
    source = open_source("videos:.", tmp_path, 30)
    assert len(source) == 1
    rng = np.random.default_rng(0)
    assert {source.sample(0, rng).box_xywh[0] for _ in range(60)} == {45, 65}
    expected = ("cut/groundtruth_rect.txt: 9 boxes", "tiny is nowhere 6 pixels", "0000.jpg: not a readable")
    assert len(source.left_out) == 3
    for message, part in zip(source.left_out, expected, strict=True):
        assert part in message
