"""The order in which a lost target is searched for over the image."""

import numpy as np
import pytest

from siammaskpp_core.tracking.long_term.redetection import GlobalSearch, grid_regions

IMAGE = (480, 640)


@pytest.mark.parametrize(
    ("extent_px", "max_scale", "counts"),
    [
        (210.0, 1.5, {1.0: 4 * 3, 1.5: 3 * 2}),
        (210.0, 1.0, {1.0: 4 * 3}),
        (700.0, 1.5, {1.0: 1, 1.5: 1}),
        (120.0, 2.0, {np.sqrt(2): 4 * 3, 2.0: 3 * 2}),  # 6 x 4 of the usual size are too many
        (30.0, 1.5, {1.5: 15 * 11}),  # of a small target
    ],
)
def test_the_grid_covers_every_pixel_nearest_first(extent_px, max_scale, counts):
    regions = grid_regions(IMAGE, extent_px, (600, 30), max_scale)
    ys, xs = np.mgrid[0:480, 0:640]
    for scale, count in counts.items():
        of_scale = [region for region in regions if region.scale == pytest.approx(scale)]
        half = scale * extent_px / 2
        is_covered = np.zeros(IMAGE, bool)
        for x, y, _ in of_scale:
            is_covered |= (abs(xs - x) <= half) & (abs(ys - y) <= half)
        assert is_covered.all()
        assert len(of_scale) == count
        distances_px = [np.hypot(x - 600, y - 30) for x, y, _ in of_scale]
        assert distances_px == sorted(distances_px)
        distances = [regions[region] for region in of_scale]
        assert distances == pytest.approx(np.array(distances_px) / (scale * extent_px))
    assert len(regions) == sum(counts.values())


@pytest.mark.parametrize("count", [2, 3, 5])
def test_near_regions_are_searched_more_often_and_none_waits_for_long(count):
    regions = grid_regions(IMAGE, 100.0, (600, 30), 1.5)
    history, searched = GlobalSearch(), []
    while len(searched) < 3000:
        chosen = history.next(regions, count)
        assert len(set(chosen)) == count
        history = history.searched(chosen)
        searched += chosen
    images = {
        region: [number // count for number, chosen in enumerate(searched) if chosen == region]
        for region in regions
    }
    longest = max(np.diff([-1, *own, 3000 // count]).max() for own in images.values())
    assert longest <= len(regions)
    nearest, *others = sorted(regions, key=regions.__getitem__)
    assert len(images[nearest]) > 3 * len(searched) / len(regions)
    assert len(images[nearest]) > 5 * len(images[others[-1]])


def test_with_one_region_per_image_the_regions_take_turns():
    regions = grid_regions(IMAGE, 100.0, (600, 30), 1.5)
    history = GlobalSearch()
    for region in [*regions, *regions, *regions]:
        assert history.next(regions, 1) == [region]
        history = history.searched([region])


def test_a_grid_of_few_regions_is_searched_whole_in_each_image():
    regions = grid_regions((100, 100), 100.0, (50, 50), 1.5)
    assert len(regions) == 2
    assert GlobalSearch().next(regions, 64) == list(regions)
    assert GlobalSearch().searched(regions).next(regions, 0) == []


def test_an_image_of_another_size_is_searched_from_the_start():
    large, small = (grid_regions(size, 100.0, (50, 50), 1.0) for size in ((400, 400), (300, 300)))
    history = GlobalSearch().searched(large)
    assert history.next(small, 4) == list(small)[:4]
