"""The cache of decoded pictures."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.data.sources.base import ImageCache


@pytest.mark.parametrize(("limit", "kept"), [(0, 0), (20 * 30 * 3, 1), (10**6, 3)])
def test_pictures_are_kept_up_to_the_limit(tmp_path, limit, kept):
    files = [tmp_path / f"{index}.png" for index in range(3)]
    for index, file in enumerate(files):
        cv2.imwrite(str(file), np.full((20, 30, 3), index, np.uint8))
    read = ImageCache(limit).read
    first = [read(file) for file in files]
    assert [int(picture[0, 0, 0]) for picture in first] == [0, 1, 2]
    assert sum(read(file) is picture for file, picture in zip(files, first, strict=True)) == kept


def test_a_file_may_be_a_picture_and_an_annotation(tmp_path):
    """A source of pictures and one of masks share the cache."""
    file = tmp_path / "0.png"
    cv2.imwrite(str(file), np.full((20, 30), 7, np.uint8))
    read = ImageCache(10**6).read
    assert read(file).shape == (20, 30, 3)
    assert read(file, is_annotation=True).shape == (20, 30)
