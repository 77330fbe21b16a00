"""Augmentation to the pixel: image, mask and box stay together, whatever is done to them."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.data.sources.base import ImageCache, Sample
from siammaskpp_core.tracking.boxes import mask_bounding_box
from siammaskpp_core.training import augmentation as clutter
from siammaskpp_core.training import views

SIZE = 127


def sample(value=200, radius=20, size=(160, 120)):
    """A disc of `value` in the middle of a dark picture."""
    mask = np.zeros(size[::-1], np.uint8)
    cv2.circle(mask, (size[0] // 2, size[1] // 2), radius, 255, -1)
    image = np.full((*mask.shape, 3), 40, np.uint8)
    image[mask > 0] = value
    return Sample(image, mask_bounding_box(mask), mask)


def view(value=200):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[40:70, 30:80] = 255
    image = np.full((SIZE, SIZE, 3), 40, np.uint8)
    image[mask > 0] = value
    return views.View(image, mask, mask_bounding_box(mask))


MATRIX = np.array([[0.7, 0.1, 3.0], [-0.1, 0.8, 10.0]])


def test_a_field_of_zeros_bends_nothing():
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), 2)
    straight = views.Warp(MATRIX, SIZE)(picture)
    bent = views.Warp(MATRIX, SIZE, np.zeros((SIZE, SIZE, 2), np.float32))(picture)
    assert np.abs(straight.astype(int) - bent).max() <= 2  # both round positions to 1/32 pixel


def test_a_constant_field_shifts():
    field = np.zeros((SIZE, SIZE, 2), np.float32)
    field[..., 0], field[..., 1] = 5, -3  # every pixel looks 5 px to the right and 3 px up
    picture = sample().image
    straight, moved = views.Warp(MATRIX, SIZE)(picture), views.Warp(MATRIX, SIZE, field)(picture)
    difference = straight[:-3, 5:].astype(int) - moved[3:, :-5]
    assert np.abs(difference).max() <= 6  # steps of the disc's edge in 1/32 pixel


def test_a_bent_object_keeps_its_mask():
    rng = np.random.default_rng(3)
    straight = np.eye(2, 3)
    for _ in range(10):
        warp = views.Warp(straight, SIZE, views.random_bend(SIZE, 8.0, rng))
        bent = views.render(
            sample(size=(SIZE, SIZE)), warp, lambda: np.zeros((SIZE,) * 2 + (3,), np.uint8), False, rng
        )
        bright = bent.image[..., 0] > 120
        assert np.count_nonzero(bright != (bent.mask > 0)) < 12  # of a disc of 1257 pixels
        np.testing.assert_array_equal(bent.box_xywh, mask_bounding_box(bent.mask))


def test_a_mirrored_view():
    before = view()
    before.image[50, 33] = 255
    after = views.mirror(before)
    np.testing.assert_array_equal(after.image[:, ::-1], before.image)
    np.testing.assert_array_equal(after.box_xywh, mask_bounding_box(after.mask))
    twice = views.mirror(after)
    np.testing.assert_array_equal(twice.box_xywh, before.box_xywh)
    assert views.mirror(views.View(before.image, None, None)).box_xywh is None


def test_a_covered_target_is_hardly_seen():
    rng = np.random.default_rng(0)
    for _ in range(30):
        covered = view()
        if clutter.cover_object(covered, sample(value=90), rng):
            assert np.count_nonzero(covered.image[..., 0] == 200) <= np.count_nonzero(covered.mask) / 7
        else:
            np.testing.assert_array_equal(covered.image, view().image)


def test_a_thin_object_covers_nothing():
    thin = sample()
    thin.mask[:] = 0
    cv2.line(thin.mask, (60, 40), (100, 80), 255, 2)
    before = view()
    assert not clutter.cover_object(
        before, thin._replace(box_xywh=mask_bounding_box(thin.mask)), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(before.image, view().image)


def test_a_board_hides_the_target():
    rng = np.random.default_rng(0)
    for _ in range(30):
        covered = view()
        assert clutter.cover_with_board(covered, np.full((90, 120, 3), 90, np.uint8), rng)
        assert not np.count_nonzero(covered.image[42:68, 32:78, 0] == 200)  # up to its soft edge
        assert np.count_nonzero(covered.image == 90) > 3 * 30 * 50 * 0.7
        assert np.count_nonzero(covered.image == 40) > 3 * SIZE * SIZE / 4  # the rest is still there


def test_a_board_reaches_over_the_border():
    shown = view()
    shown.box_xywh = np.array([-3.0, 100.0, 40.0, 27.0])
    assert clutter.cover_with_board(shown, np.full((90, 120, 3), 90, np.uint8), np.random.default_rng(0))
    assert (shown.image[102:, :35] == 90).all()
    shown.box_xywh = None
    assert not clutter.cover_with_board(shown, sample().image, np.random.default_rng(0))


def test_a_part_is_a_piece_of_the_object():
    rng = np.random.default_rng(0)
    whole = sample(radius=50)
    for _ in range(50):
        part = views.random_part(whole, rng)
        assert part.in_place
        assert part.image is whole.image
        assert not (part.mask & ~whole.mask).any()
        np.testing.assert_array_equal(part.box_xywh, mask_bounding_box(part.mask))
        assert np.count_nonzero(part.mask) >= np.prod(part.box_xywh[2:]) / 2
        assert (part.box_xywh[2:] >= 10).all()
        assert (part.box_xywh[2:] <= 0.7 * whole.box_xywh[2:] + 1).all()


@pytest.mark.parametrize("whole", [sample(radius=8), sample()._replace(mask=None)])
def test_what_has_no_parts_stays_whole(whole):
    assert views.random_part(whole, np.random.default_rng(0)) is whole


def test_a_part_is_not_cut_out():
    """Only it would be left of the object."""
    part = views.random_part(sample(radius=50), np.random.default_rng(0))
    rng, black = np.random.default_rng(0), np.zeros((SIZE, SIZE, 3), np.uint8)
    shown = views.render(part, views.Warp(np.eye(2, 3), SIZE), lambda: black, True, rng)
    outside = shown.mask == 0
    assert (shown.image[outside] > 30).any()
    assert np.count_nonzero(shown.image[outside] == 200) > 100


def test_nothing_is_covered_by_what_has_no_mask():
    assert not clutter.cover_object(view(), sample()._replace(mask=None), np.random.default_rng(0))


@pytest.mark.parametrize(("limit", "kept"), [(0, 0), (20 * 30 * 3, 1), (10**6, 3)])
def test_pictures_are_kept_up_to_the_limit(tmp_path, limit, kept):
    files = [tmp_path / f"{index}.png" for index in range(3)]
    for index, file in enumerate(files):
        cv2.imwrite(str(file), np.full((20, 30, 3), index, np.uint8))
    read = ImageCache(limit).read
    first = [read(file) for file in files]
    assert [int(picture[0, 0, 0]) for picture in first] == [0, 1, 2]
    assert sum(read(file) is picture for file, picture in zip(files, first, strict=True)) == kept
