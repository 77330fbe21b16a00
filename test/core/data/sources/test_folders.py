"""Folders of pictures with masks and folders of videos as sources of objects."""

import shutil

import numpy as np
import pytest

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
