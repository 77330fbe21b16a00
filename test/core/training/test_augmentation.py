"""Augmentation, checked to the pixel: image, mask and box stay together."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.data.sources.base import Sample
from siammaskpp_core.tracking.boxes import mask_bounding_box
from siammaskpp_core.training import augmentation, random_crops

SIZE = 127


def sample(value=200, radius=20, size=(160, 120)):
    """A disc of `value` in the middle of a dark picture."""
    mask = np.zeros(size[::-1], np.uint8)
    cv2.circle(mask, (size[0] // 2, size[1] // 2), radius, 255, -1)
    image = np.full((*mask.shape, 3), 40, np.uint8)
    image[mask > 0] = value
    return Sample(image, mask_bounding_box(mask), mask)


def crop(value=200):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[40:70, 30:80] = 255
    image = np.full((SIZE, SIZE, 3), 40, np.uint8)
    image[mask > 0] = value
    return random_crops.Crop(image, mask, mask_bounding_box(mask))


MATRIX = np.array([[0.7, 0.1, 3.0], [-0.1, 0.8, 10.0]])


def test_a_displacement_field_of_zeros_changes_nothing():
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), 2)
    straight = random_crops.Warp(MATRIX, SIZE)(picture)
    deformed = random_crops.Warp(MATRIX, SIZE, np.zeros((SIZE, SIZE, 2), np.float32))(picture)
    assert np.abs(straight.astype(int) - deformed).max() <= 2  # both round positions to 1/32 pixel


def test_a_constant_displacement_field_shifts():
    field = np.zeros((SIZE, SIZE, 2), np.float32)
    field[..., 0], field[..., 1] = 5, -3  # every pixel looks 5 px to the right and 3 px up
    picture = sample().image
    straight, moved = (
        random_crops.Warp(MATRIX, SIZE)(picture),
        random_crops.Warp(MATRIX, SIZE, field)(picture),
    )
    difference = straight[:-3, 5:].astype(int) - moved[3:, :-5]
    assert np.abs(difference).max() <= 6  # steps of the disc's edge in 1/32 pixel


def test_a_deformed_object_keeps_its_mask():
    rng = np.random.default_rng(3)
    straight = np.eye(2, 3)
    for _ in range(10):
        warp = random_crops.Warp(straight, SIZE, random_crops.random_elastic_field(SIZE, 8.0, rng))
        deformed = random_crops.render(
            sample(size=(SIZE, SIZE)), warp, lambda: np.zeros((SIZE,) * 2 + (3,), np.uint8), False, rng
        )
        bright = deformed.image[..., 0] > 120
        assert np.count_nonzero(bright != (deformed.mask > 0)) < 12  # of a disc of 1257 pixels
        np.testing.assert_array_equal(deformed.box_xywh, mask_bounding_box(deformed.mask))


def test_a_flipped_crop():
    before = crop()
    before.image[50, 33] = 255
    after = random_crops.flip(before)
    np.testing.assert_array_equal(after.image[:, ::-1], before.image)
    np.testing.assert_array_equal(after.box_xywh, mask_bounding_box(after.mask))
    twice = random_crops.flip(after)
    np.testing.assert_array_equal(twice.box_xywh, before.box_xywh)
    assert random_crops.flip(random_crops.Crop(before.image, None, None)).box_xywh is None


def test_an_occluded_target_is_hardly_visible():
    rng = np.random.default_rng(0)
    for _ in range(30):
        occluded = crop()
        if augmentation.occlude_with_object(occluded, sample(value=90), rng):
            assert np.count_nonzero(occluded.image[..., 0] == 200) <= np.count_nonzero(occluded.mask) / 7
        else:
            np.testing.assert_array_equal(occluded.image, crop().image)


def test_an_object_hides_a_target_of_which_only_the_box_is_known():
    rng = np.random.default_rng(0)
    hidden = 0
    for _ in range(60):
        occluded = crop()
        occluded.mask = None
        if augmentation.occlude_with_object(occluded, sample(value=90), rng):
            x, y, width, height = occluded.box_xywh.astype(int)
            inside = occluded.image[y : y + height, x : x + width, 0]
            assert np.count_nonzero(inside == 90) >= inside.size * 0.8
            hidden += 1
    assert hidden > 5


def test_a_thin_object_occludes_nothing():
    thin = sample()
    thin.mask[:] = 0
    cv2.line(thin.mask, (60, 40), (100, 80), 255, 2)
    before = crop()
    assert not augmentation.occlude_with_object(
        before, thin._replace(box_xywh=mask_bounding_box(thin.mask)), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(before.image, crop().image)


def test_a_rectangle_hides_the_target():
    rng = np.random.default_rng(0)
    for _ in range(30):
        occluded = crop()
        assert augmentation.occlude_with_rectangle(occluded, np.full((90, 120, 3), 90, np.uint8), rng)
        assert not np.count_nonzero(occluded.image[42:68, 32:78, 0] == 200)  # up to its soft edge
        assert np.count_nonzero(occluded.image == 90) > 3 * 30 * 50 * 0.7
        assert np.count_nonzero(occluded.image == 40) > 3 * SIZE * SIZE / 4  # the rest is still there


def test_a_rectangle_reaches_over_the_border():
    shown = crop()
    shown.box_xywh = np.array([-3.0, 100.0, 40.0, 27.0])
    assert augmentation.occlude_with_rectangle(
        shown, np.full((90, 120, 3), 90, np.uint8), np.random.default_rng(0)
    )
    assert (shown.image[102:, :35] == 90).all()
    shown.box_xywh = None
    assert not augmentation.occlude_with_rectangle(shown, sample().image, np.random.default_rng(0))


def test_a_part_is_a_piece_of_the_object():
    rng = np.random.default_rng(0)
    whole = sample(radius=50)
    for _ in range(50):
        part = random_crops.random_part(whole, rng)
        assert part.in_place
        assert part.image is whole.image
        assert not (part.mask & ~whole.mask).any()
        np.testing.assert_array_equal(part.box_xywh, mask_bounding_box(part.mask))
        assert np.count_nonzero(part.mask) >= np.prod(part.box_xywh[2:]) / 2
        assert (part.box_xywh[2:] >= 10).all()
        assert (part.box_xywh[2:] <= 0.7 * whole.box_xywh[2:] + 1).all()


@pytest.mark.parametrize("whole", [sample(radius=8), sample()._replace(mask=None)])
def test_an_object_too_small_for_parts_stays_whole(whole):
    assert random_crops.random_part(whole, np.random.default_rng(0)) is whole


def test_a_part_is_not_cut_out():
    """A cut-out part would lose the rest of the object."""
    part = random_crops.random_part(sample(radius=50), np.random.default_rng(0))
    rng, black = np.random.default_rng(0), np.zeros((SIZE, SIZE, 3), np.uint8)
    shown = random_crops.render(part, random_crops.Warp(np.eye(2, 3), SIZE), lambda: black, True, rng)
    outside = shown.mask == 0
    assert (shown.image[outside] > 30).any()
    assert np.count_nonzero(shown.image[outside] == 200) > 100


def test_an_object_without_a_mask_occludes_nothing():
    assert not augmentation.occlude_with_object(
        crop(), sample()._replace(mask=None), np.random.default_rng(0)
    )


def sharp(size=SIZE):
    """A picture of random pixels: it has detail at the finest scale."""
    return np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_low_resolution_keeps_the_size_and_the_light_but_not_the_detail(compressed):
    before = sharp()
    after = augmentation.lower_resolution(before, 0.2, compressed, np.random.default_rng(0))
    assert after.shape == before.shape
    assert after.mean() == pytest.approx(before.mean(), abs=3)
    assert after.std() < before.std() / 2
    # What is lost is lost: the same reduction once more changes little.
    small = cv2.resize(after, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(cv2.resize(small, (SIZE, SIZE)).astype(int) - after).mean() < 4


def test_compression_leaves_artefacts():
    smooth = cv2.GaussianBlur(sharp(), (0, 0), 3)
    after = augmentation.compress(smooth, np.random.default_rng(0))
    assert after.shape == smooth.shape
    assert 0 < np.abs(after.astype(int) - smooth).mean() < 15


def test_a_dark_crop():
    for seed in range(10):
        after = augmentation.darken(sharp(), np.random.default_rng(seed))
        assert after.dtype == np.uint8
        assert 0.15 * 127 < after.mean() < 0.65 * 127
