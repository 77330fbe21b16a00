"""Folders of every kind that needs no preparation."""

import json

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures with one disc each and its mask; a COCO file of the same; videos of a moving disc."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    davis = {part: root / f"davis/{part}/480p/disc" for part in ("JPEGImages", "Annotations")}
    folders = [root / name for name in ("stills/images", "stills/masks", "coco/images", "videos/disc/img")]
    for folder in (*folders, *davis.values()):
        folder.mkdir(parents=True)
    images, annotations, boxes = [], [], []
    for index in range(4):
        picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (160, 120))
        mask = np.zeros((120, 160), np.uint8)
        centre = (60 + 10 * index, 60)
        cv2.circle(mask, centre, 25, 255, -1)
        picture[mask > 0] = (40, 60 * index, 220)
        for folder, name in zip(folders, ("{}.jpg", "{}.png", "{}.jpg", "{:04d}.jpg"), strict=True):
            written = mask if folder.name == "masks" else picture
            cv2.imwrite(str(folder / name.format(index)), written)
        cv2.imwrite(str(davis["JPEGImages"] / f"{index:05d}.jpg"), picture)
        cv2.imwrite(str(davis["Annotations"] / f"{index:05d}.png"), mask)
        x, y, w, h = box = [centre[0] - 25, 35, 51, 51]
        boxes.append(",".join(map(str, box)))
        images.append({"id": index, "file_name": f"{index}.jpg", "width": 160, "height": 120})
        polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
        annotation = {"id": index + 1, "image_id": index, "category_id": 1, "iscrowd": 0, "bbox": box}
        annotations.append(annotation | {"area": w * h, "segmentation": [polygon]})
    boxes[2] = "NaN,NaN,NaN,NaN"  # not visible
    (root / "videos/disc/groundtruth_rect.txt").write_text("\n".join(boxes))
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "disc"}]}
    (root / "coco/instances.json").write_text(json.dumps(coco))
    return root
