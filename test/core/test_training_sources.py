"""Where training objects come from: local folders and data sets in their original layouts."""

import json

import cv2
import numpy as np
import pytest

from siammaskpp_core.training.sources import open_source


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures with one disc each and its mask; a COCO file of the same; a video of a moving disc."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for folder in ("stills/images", "stills/masks", "coco/images", "videos/disc/img"):
        (root / folder).mkdir(parents=True)
    images, annotations, boxes = [], [], []
    for index in range(4):
        picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (160, 120))
        mask = np.zeros((120, 160), np.uint8)
        centre = (60 + 10 * index, 60)
        cv2.circle(mask, centre, 25, 255, -1)
        picture[mask > 0] = (40, 60 * index, 220)
        cv2.imwrite(str(root / f"stills/images/{index}.jpg"), picture)
        cv2.imwrite(str(root / f"stills/masks/{index}.png"), mask)
        cv2.imwrite(str(root / f"coco/images/{index}.jpg"), picture)
        cv2.imwrite(str(root / f"videos/disc/img/{index:04d}.jpg"), picture)
        x, y, w, h = box = [centre[0] - 25, 35, 51, 51]
        boxes.append(",".join(map(str, box)))
        images.append({"id": index, "file_name": f"{index}.jpg", "width": 160, "height": 120})
        polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
        annotations.append(
            {
                "id": index + 1,
                "image_id": index,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": box,
                "area": w * h,
                "segmentation": [polygon],
            }
        )
    boxes[2] = "NaN,NaN,NaN,NaN"  # not visible
    (root / "videos/disc/groundtruth_rect.txt").write_text("\n".join(boxes))
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "disc"}]}
    (root / "coco/instances.json").write_text(json.dumps(coco))
    return root


@pytest.mark.parametrize(
    ("spec", "count", "masked"), [("masks:stills", 4, True), ("videos:videos", 1, False)]
)
def test_sources(data, spec, count, masked):
    source = open_source(spec, data, 30)
    assert len(source) == count
    first, second = source.pair(0, np.random.default_rng(0))
    assert first.box_xywh[1:] == pytest.approx([35, 51, 51])
    assert (first.mask is not None) is masked
    assert second.image.shape == (120, 160, 3)


def test_coco_source(data):
    pytest.importorskip("pycocotools")
    sample = open_source("coco:coco", data, 0).pair(0, np.random.default_rng(0))[0]
    np.testing.assert_allclose(sample.box_xywh, [35, 35, 51, 51], atol=1)


@pytest.mark.parametrize("spec", ["masks:/nowhere", "videos:/nowhere", "zip:x", "masks"])
def test_missing_sources_are_named(tmp_path, spec):
    with pytest.raises(ValueError, match=r"nowhere|write one of"):
        open_source(spec, tmp_path, 0)
