"""tools.vtest: the pedestrians of OpenCV's vtest.avi as sequences."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.data.sequences import find_sequences
from siammaskpp_core.io.images import MediaError
from tools.vtest import FRAMES, true_boxes, write_sequences


def write_video(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), number % 200, np.uint8))
    writer.release()


def test_boxes_are_those_drawn_and_interpolated_between():
    boxes = true_boxes()
    assert sorted(boxes) == list("123456")
    np.testing.assert_array_equal(boxes["1"][[0, 10]], [[254, 220, 28, 87], [318, 209, 38, 86]])
    np.testing.assert_array_equal(boxes["1"][5], [286, 214.5, 33, 86.5])
    assert np.isnan(boxes["4"][:15]).all()
    assert np.isfinite(boxes["4"][15:]).all()
    assert np.isnan(boxes["3"][141:]).all()


def test_sequences_of_six_people(tmp_path):
    write_video(tmp_path / "vtest.avi", FRAMES + 9)
    write_sequences(tmp_path / "vtest.avi", tmp_path / "vtest")
    sequences = find_sequences([tmp_path])
    assert [sequence.name for sequence in sequences] == [f"vtest.{person}" for person in range(1, 7)]
    assert [len(sequence.frames) for sequence in sequences] == [151, 151, 151, 136, 131, 106]


def test_another_video_leaves_nothing_behind(tmp_path):
    write_video(tmp_path / "short.avi", 20)
    with pytest.raises(MediaError, match="20 frames"):
        write_sequences(tmp_path / "short.avi", tmp_path / "vtest")
    assert [path.name for path in tmp_path.iterdir()] == ["short.avi"]
