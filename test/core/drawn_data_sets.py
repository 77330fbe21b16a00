"""Data sets in exactly the layouts in which they are published, small and with drawn objects."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from siammaskpp_core.data.preparation.prepare import prepare
from siammaskpp_core.data.sources import open_source

WIDTH, HEIGHT = 160, 120


def object_colour(number):
    """Return the colour (BGR) in which object `number` is drawn."""
    return (0, 90 * number, 255 - 60 * number)


def picture(seed, boxes):
    """Draw noise with a filled rectangle (x, y, w, h) in its own colour for each object number."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(60, 160, (6, 8, 3), dtype=np.uint8), (WIDTH, HEIGHT))
    for number, (x, y, w, h) in boxes.items():
        image[y : y + h, x : x + w] = object_colour(number)
    return image


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def ilsvrc_xml(name, boxes, extra=""):
    """Return an annotation in ILSVRC's format; `boxes` are x, y, w, h by track number."""
    objects = "".join(
        f"<object>{extra.format(number)}<name>n02084071</name><bndbox><xmax>{x + w - 1}</xmax>"
        f"<xmin>{x}</xmin><ymax>{y + h - 1}</ymax><ymin>{y}</ymin></bndbox><occluded>0</occluded>"
        "<generated>0</generated></object>"
        for number, (x, y, w, h) in boxes.items()
    )
    return (
        f"<annotation><folder>any</folder><filename>{name}</filename><source><database>ILSVRC_2015</database>"
        f"</source><size><width>{WIDTH}</width><height>{HEIGHT}</height></size>{objects}</annotation>\n"
    )


def write_coco(root):
    """Write COCO 2017: two pictures with objects, a crowd, small and broken ones; one picture without."""
    boxes = {1: (10, 20, 60, 50), 2: (90, 30, 40, 60)}
    write(root / "train2017/000000000009.jpg", picture(9, boxes))
    write(root / "train2017/000000000025.jpg", picture(25, {1: (50, 40, 30, 30)}))
    write(root / "train2017/000000000030.jpg", picture(30, {}))

    def polygon(x, y, w, h):
        return [[x, y, x + w, y, x + w, y + h, x, y + h]]

    # Counts run down the columns: 50 columns of background, then 30 with the rows 40 to 69 set.
    counts = [50 * HEIGHT + 40] + [30, HEIGHT - 30] * 29 + [30, HEIGHT * 80 + HEIGHT - 70]
    entries = [
        (9, 0, boxes[1], polygon(*boxes[1])),
        (9, 0, boxes[2], polygon(*boxes[2])),
        (9, 1, (0, 0, 160, 120), {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH]}),
        (9, 0, (5, 5, 19, 50), polygon(5, 5, 19, 50)),
        (9, 0, (5, 5, 40, 50), [[5, 5, 45, 55]]),
        (25, 0, (50, 40, 30, 30), {"size": [HEIGHT, WIDTH], "counts": counts}),
    ]
    annotations = [
        {"id": 1000 + i, "image_id": image, "category_id": 18, "iscrowd": crowd, "bbox": box, "area": 1.0}
        | {"segmentation": segmentation}
        for i, (image, crowd, box, segmentation) in enumerate(entries)
    ]
    images = [
        {"id": number, "file_name": f"{number:012d}.jpg", "width": WIDTH, "height": HEIGHT, "license": 3}
        for number in (25, 9, 30)
    ]
    file = root / "annotations/instances_train2017.json"
    file.parent.mkdir()
    categories = [{"id": 18, "name": "dog", "supercategory": "animal"}]
    file.write_text(
        json.dumps({"info": {}, "images": images, "annotations": annotations, "categories": categories})
    )


VOS_FRAMES = [f"{5 * index:05d}" for index in range(8)]


def vos_box(video, number, index):
    """Return the box of object `number` in frame `index` of a video."""
    return (10 + 6 * index, 10, 40, 40) if number == 1 else (100 - 6 * index, 65 + 5 * video, 45, 30)


def write_youtube_vos(root):
    """Write YouTube-VOS: two videos with two objects; the second is absent or tiny in some frames."""
    videos = {}
    for video, name in enumerate(("003234408d", "0043f083b5")):
        # Object 2 is absent in frame 3 and tiny in frame 4.
        objects = {"1": VOS_FRAMES, "2": [frame for i, frame in enumerate(VOS_FRAMES) if i != 3]}
        for index, frame in enumerate(VOS_FRAMES):
            boxes = {
                int(number): vos_box(video, int(number), index)
                for number, frames in objects.items()
                if frame in frames
            }
            if index == 4:
                boxes[2] = (*boxes[2][:2], 20, 20)
            write(root / f"train/JPEGImages/{name}/{frame}.jpg", picture(index, boxes))
            numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
            for number, (x, y, w, h) in boxes.items():
                numbers[y : y + h, x : x + w] = number
            annotation = Image.fromarray(numbers, mode="L")
            annotation.putpalette([0, 0, 0, 236, 95, 103, 249, 145, 87])  # a palette turns mode L into mode P
            path = root / f"train/Annotations/{name}/{frame}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            annotation.save(path)
        videos[name] = {
            "objects": {
                number: {"category": category, "frames": objects[number]}
                for number, category in {"1": "dog", "2": "cat"}.items()
            }
        }
    (root / "train/meta.json").write_text(json.dumps({"videos": videos}))


VID_PARTS = (
    "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00005003",
    "ILSVRC2015_VID_train_0001/ILSVRC2015_train_00139005",
)


VID_LENGTH = 60


def vid_boxes(index):
    """Return the boxes of a frame by track: track 0 is absent from frame 20 to 29, track 1 vanishes."""
    boxes = {0: (10 + index, 10, 40, 30), 1: (100, 50, 50 - index, 40)}
    if 20 <= index < 30:
        del boxes[0]
    if 50 - index <= 0:
        del boxes[1]
    return boxes


def write_ilsvrc(root):
    """Write ILSVRC2015 with VID and DET in one folder, into which both archives unpack."""
    for part in VID_PARTS:
        for index in range(VID_LENGTH):
            boxes = vid_boxes(index)
            write(root / f"Data/VID/train/{part}/{index:06d}.JPEG", picture(index, boxes))
            xml = root / f"Annotations/VID/train/{part}/{index:06d}.xml"
            xml.parent.mkdir(parents=True, exist_ok=True)
            xml.write_text(ilsvrc_xml(f"{index:06d}", boxes, "<trackid>{}</trackid>"))
    stills = {
        "ILSVRC2013_train/n02672831/n02672831_11478": {1: (30, 30, 50, 40), 2: (100, 20, 30, 80)},
        "ILSVRC2013_train/n00007846/n00007846_6247": {1: (0, 0, 160, 120)},
        "ILSVRC2013_train_extra0/ILSVRC2013_train_00000001": {},
        "ILSVRC2014_train_0000/ILSVRC2014_train_00000001": {1: (20, 20, 90, 80), 2: (5, 5, 5, 30)},
    }
    for name, boxes in stills.items():
        write(root / f"Data/DET/train/{name}.JPEG", picture(len(name), boxes))
        xml = root / f"Annotations/DET/train/{name}.xml"
        xml.parent.mkdir(parents=True, exist_ok=True)
        xml.write_text(ilsvrc_xml(Path(name).name, boxes))


def fresh(folder, tmp_path):
    """Return a copy of a data set that the test may damage."""
    return Path(shutil.copytree(folder, tmp_path / folder.name))


def opened(kind, folder, frame_range=0):
    prepare(kind, folder, workers=1)
    return open_source(f"{kind}:{folder.name}", folder.parent, frame_range)


def boxes_of(source, index, count=300):
    """Return all boxes of an object in many random draws, as tuples."""
    rng = np.random.default_rng(0)
    return {tuple(source.sample(index, rng).box_xywh.tolist()) for _ in range(count)}


def shows(sample, number):
    """Return whether the centre of the box has the colour of object `number`, up to JPEG's loss."""
    x, y, w, h = sample.box_xywh
    found = sample.image[int(y + h / 2), int(x + w / 2)].astype(int)
    return np.abs(found - object_colour(number)).max() < 25
