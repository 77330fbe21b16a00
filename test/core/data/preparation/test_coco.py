"""The reader of COCO, and what training reads from the index."""

import json

import numpy as np
import pytest

pytest.importorskip("pycocotools")
Image = pytest.importorskip("PIL.Image")

from drawn_data_sets import HEIGHT, WIDTH, fresh, opened, shows, write

from siammaskpp_core.data.preparation.annotations import PreparationError
from siammaskpp_core.data.preparation.prepare import prepare
from siammaskpp_core.data.sources import open_source


def test_coco(coco_folder):
    report = prepare("coco", coco_folder, workers=1)
    assert report.left_out == {"crowd": 1, "a side under 20 px": 1, "empty mask": 1}
    assert report.broken == []
    source = open_source(f"coco:{coco_folder.name}", coco_folder.parent, 1)
    assert [source.scene(index) for index in range(len(source))] == [0, 1, 1]
    expected = [(1, (50, 40, 30, 30)), (1, (10, 20, 60, 50)), (2, (90, 30, 40, 60))]
    for index, (number, (x, y, w, h)) in enumerate(expected):
        first, second = source.pair(index, np.random.default_rng(0))
        assert first is second
        assert first.box_xywh.tolist() == [x, y, w, h]
        assert shows(first, number)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[y : y + h, x : x + w] = 255
        np.testing.assert_array_equal(first.mask, mask)


def test_coco_with_compressed_masks(coco_folder, tmp_path):
    """COCO's own tools write compressed masks."""
    from pycocotools import mask as coco_mask

    folder = fresh(coco_folder, tmp_path)
    file = folder / "annotations/instances_train2017.json"
    content = json.loads(file.read_text())
    mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    mask[10:50, 20:90] = 1
    coded = coco_mask.encode(mask)
    segmentation = {"size": [HEIGHT, WIDTH], "counts": coded["counts"].decode()}
    content["annotations"] = [content["annotations"][0] | {"segmentation": segmentation}]
    file.write_text(json.dumps(content))
    sample = opened("coco", folder).sample(0, np.random.default_rng(0))
    np.testing.assert_array_equal(sample.mask, mask * 255)
    assert sample.box_xywh.tolist() == [20, 10, 70, 40]


def test_coco_pictures_of_another_size_are_named(coco_folder, tmp_path):
    folder = fresh(coco_folder, tmp_path)
    write(folder / "train2017/000000000009.jpg", np.zeros((60, 80, 3), np.uint8))
    with pytest.raises(PreparationError, match=r"000000000009\.jpg: the annotations are for .* 160x120"):
        prepare("coco", folder, workers=1)
