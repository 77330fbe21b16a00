"""Harder versions of a sequence of a bright square, to the pixel."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from siammaskpp_core.data.sequences import DatasetError, VideoSequence, find_sequences
from siammaskpp_core.evaluation.one_pass import evaluate
from siammaskpp_core.evaluation.stress import darken, shrink_mask, stressed
from siammaskpp_core.tracking.boxes import mask_bounding_box

FRAMES, SIDE, BRIGHT = 11, 30, 250


@pytest.fixture(scope="module")
def sequence(tmp_path_factory) -> VideoSequence:
    """A bright square that moves by 5 px a frame, with masks."""
    root = tmp_path_factory.mktemp("davis")
    pictures, masks = root / "JPEGImages/480p/square", root / "Annotations/480p/square"
    for folder in (pictures, masks):
        folder.mkdir(parents=True)
    for index in range(FRAMES):
        mask = np.zeros((100, 150), np.uint8)
        mask[50 : 50 + SIDE, 20 + 5 * index : 20 + 5 * index + SIDE] = 255
        image = np.where(mask[..., None] > 0, BRIGHT, 0).repeat(3, axis=2)
        cv2.imwrite(str(pictures / f"{index:05d}.png"), image)
        cv2.imwrite(str(masks / f"{index:05d}.png"), mask)
    (found,) = find_sequences([root])
    return found


def test_small_pictures_boxes_and_masks_fit_each_other(sequence):
    small = stressed(sequence, "small")
    assert (small.name, len(small.frames)) == (sequence.name, FRAMES)
    for index in range(FRAMES):
        image, mask = small.image(index), small.mask(index)
        assert (image.shape, mask.shape) == ((40, 60, 3), (40, 60))
        assert small.boxes[index].tolist() == [8 + 2 * index, 20, 12, 12]
        np.testing.assert_array_equal(mask_bounding_box(mask), small.boxes[index])
        np.testing.assert_array_equal(image[..., 0], np.where(mask > 0, BRIGHT, 0))


@pytest.mark.parametrize("left", range(40, 45))
def test_the_edges_of_a_small_mask_are_right_to_half_a_pixel(left):
    mask = np.zeros((100, 150), np.uint8)
    mask[50:80, left : left + 33] = 255
    x, _, width, _ = mask_bounding_box(shrink_mask(mask))
    np.testing.assert_allclose([x, x + width], [0.4 * left, 0.4 * (left + 33)], atol=0.5)


def test_skip_keeps_every_third_frame_with_its_box_and_mask(sequence):
    skipped = stressed(sequence, "skip")
    kept = [0, 3, 6, 9]
    for files in (skipped.frames, skipped.annotations):
        assert [file.stem for file in files] == [f"{index:05d}" for index in kept]
    np.testing.assert_array_equal(skipped.boxes, sequence.boxes[kept])
    np.testing.assert_array_equal(skipped.image(2), sequence.image(6))
    np.testing.assert_array_equal(skipped.mask(2), sequence.mask(6))


def test_skip_refuses_a_sequence_of_which_too_little_is_left(sequence):
    boxes = sequence.boxes.copy()
    boxes[3::3] = np.nan
    gone = VideoSequence("gone", "otb", sequence.frames, boxes)
    with pytest.raises(DatasetError, match=r"gone: .* two frames at least; of every third frame, it is in 1"):
        stressed(gone, "skip")
    assert len(stressed(gone, "small").frames) == FRAMES


def test_dark_pictures_are_blurred(sequence):
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 40:] = 200
    dark = darken(image)
    assert (dark[:, :30] == 0).all()
    assert (dark[:, 50:] == 70).all()  # 0.35 of 200
    # The slope of a blurred edge is the Gaussian.
    slope = np.diff(dark[20, :, 0].astype(float))
    place = np.arange(len(slope)) - 39
    assert (slope * place).sum() / 70 == pytest.approx(0, abs=0.1)
    assert np.sqrt((slope * place**2).sum() / 70) == pytest.approx(2, abs=0.1)

    seen = stressed(sequence, "dark")
    np.testing.assert_array_equal(seen.image(4), darken(sequence.image(4)))
    np.testing.assert_array_equal(seen.mask(4), sequence.mask(4))
    np.testing.assert_array_equal(seen.boxes, sequence.boxes)


def test_noise_is_one_grey_level_and_fixed_by_seed_and_frame(sequence):
    noisy = stressed(sequence, "dark", noise_seed=1)
    noise = [noisy.image(index).astype(int) - stressed(sequence, "dark").image(index) for index in (2, 3)]
    bright = sequence.mask(2) > 0  # elsewhere values are cut at 0
    values, counts = np.unique(noise[0][bright], return_counts=True)
    assert values.tolist() == [-1, 0, 1]
    assert counts / counts.sum() == pytest.approx(1 / 3, abs=0.05)
    assert np.unique(noise[0][:20]).tolist() == [0, 1]

    np.testing.assert_array_equal(stressed(sequence, "dark", noise_seed=1).image(2), noisy.image(2))
    assert not np.array_equal(noise[0][:20], noise[1][:20]), "another frame"
    for other in (stressed(sequence, "dark", noise_seed=2), replace(noisy, name="another")):
        assert not np.array_equal(other.image(2), noisy.image(2))


def test_noise_is_cut_at_white(tmp_path):
    for index in range(2):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((20, 20, 3), 255, np.uint8))
    files = (tmp_path / "0.png", tmp_path / "1.png")
    white = stressed(VideoSequence("white", "otb", files, np.ones((2, 4))), noise_seed=1)
    assert np.unique(white.image(0)).tolist() == [254, 255]


class BrightTracker:
    """Finds all pixels that are at least half as bright as the brightest."""

    name = "bright"

    def init(self, image, box_xywh):
        pass

    def update(self, image):
        mask = np.where(image[..., 0] > image.max() / 2, 255, 0).astype(np.uint8)
        return mask_bounding_box(mask), mask


@pytest.mark.parametrize(("stress", "frames"), [("small", 10), ("skip", 3), ("dark", 10)])
def test_boxes_and_masks_are_evaluated(sequence, stress, frames):
    scores = evaluate([BrightTracker()], [stressed(sequence, stress, noise_seed=3)])
    score = scores["bright"]["square"]
    assert score.frames == frames
    assert score.curves.values()["auc"] > 0.9
    assert score.region > 0.95
    assert score.boundary > 0.95
