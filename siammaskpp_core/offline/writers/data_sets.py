"""The writers of data sets to train and evaluate with: COCO, YOLO, DAVIS and MOTChallenge.

All of them hold the pictures as well, so that a folder is complete. docs/results.md describes the layouts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from siammaskpp_core.arrays import AnyArray, Mask
from siammaskpp_core.config import ConfigError
from siammaskpp_core.errors import extra
from siammaskpp_core.io.images import write_image
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.offline.results import FrameResult, TargetResult
from siammaskpp_core.offline.writers.base import Recording, Writer, mask_of, save_picture
from siammaskpp_core.offline.writers.rle import rle_counts
from siammaskpp_core.tracking.masks import LabelledMask, label_picture

MAX_PALETTE_TARGETS = 254
"""Most targets in a palette picture: 0 is the background, and 255 marks pixels without an answer."""
_MIN_POLYGON = 3


@contextmanager
def coco(path: Path, recording: Recording) -> Iterator[Writer]:
    """`images/` and `instances.json` with compressed RLE masks, scores and track ids.

    A network without masks gives boxes alone. Raises MissingPackageError without pycocotools.
    """
    with extra("label", "to write COCO"):
        from pycocotools import mask as coco_masks
    with (
        Output(path, is_folder=True) as work,
        (work / "instances.json").open("w", encoding="utf-8") as file,
    ):
        (work / "images").mkdir()
        classes = _numbered(recording.classes, first=1)
        images: list[dict[str, Any]] = []
        count = 0
        file.write('{"annotations": [')  # written as they come: a long recording has many

        def segmentation(mask: Mask | None) -> tuple[Any, int]:
            if mask is None:
                return [], 0
            height, width = mask.shape
            plain = {"size": [height, width], "counts": rle_counts(mask)}
            encoded = coco_masks.frPyObjects(plain, height, width)
            encoded["counts"] = encoded["counts"].decode("ascii")
            return encoded, cv2.countNonZero(mask)

        def write(result: FrameResult) -> None:
            nonlocal count
            height, width = result.image.shape[:2]
            picture = {
                "id": len(images) + 1,
                "file_name": save_picture(result.frame, work / "images"),
                "width": width,
                "height": height,
                "video_id": 1,
                "frame_id": result.number,
            }
            images.append(picture)
            for target in result:
                category = classes.setdefault(target.title, len(classes) + 1)
                if not target.is_seen:
                    continue
                count += 1
                box = _box_in_image(target, width, height)
                shape, area = segmentation(target.mask)
                annotation = {
                    "id": count,
                    "image_id": picture["id"],
                    "category_id": category,
                    "track_id": target.index + 1,
                    "bbox": [round(value, 2) for value in box],
                    "area": area or round(box[2] * box[3], 2),
                    "segmentation": shape,
                    "iscrowd": 0,
                    "score": round(target.confidence, 4),
                }
                file.write((",\n" if count > 1 else "\n") + json.dumps(annotation))

        yield write
        rest = {
            "videos": [{"id": 1, "name": recording.name}],
            "images": images,
            "categories": [{"id": number, "name": name} for name, number in classes.items()],
        }
        file.write("\n],\n" + json.dumps(rest)[1:] + "\n")


@contextmanager
def yolo_segmentation(path: Path, recording: Recording) -> Iterator[Writer]:
    """`images/train/`, `labels/train/` with a polygon for each target, and `data.yaml`.

    Frames in which a target is not seen are left out: nobody knows whether the picture shows it, and a
    picture without a label would teach that it does not.
    """
    with Output(path, is_folder=True) as work:
        pictures, labels = work / "images" / "train", work / "labels" / "train"
        pictures.mkdir(parents=True)
        labels.mkdir(parents=True)
        classes = _numbered(recording.classes, first=0)

        def write(result: FrameResult) -> None:
            height, width = result.image.shape[:2]
            lines = []
            for target in result:
                number = classes.setdefault(target.title, len(classes))
                mask = mask_of(target, "yolo-seg")
                points = None if mask is None else _polygon(mask)
                if points is not None:
                    # Rounded up, so that readers that cut off decimals find the same pixels again.
                    scaled = np.ceil(points / (width, height) * 1e6) / 1e6
                    lines.append(" ".join([str(number), *(f"{value:.6f}" for value in scaled.ravel())]))
            if lines and len(lines) == len(result):
                save_picture(result.frame, pictures)
                (labels / f"{result.frame.name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

        yield write
        names = {number: name for name, number in classes.items()}
        content = yaml.safe_dump({"names": names}, sort_keys=False, allow_unicode=True)
        head = "# Give val the pictures of another recording: frames of one are too much alike.\n"
        text = f"{head}train: images/train\nval: images/train\n{content}"
        (work / "data.yaml").write_text(text, encoding="utf-8")


@contextmanager
def davis(path: Path, recording: Recording) -> Iterator[Writer]:
    """The folders of DAVIS 2017; a palette PNG for each frame holds the number of the target, index + 1.

    Raises MissingPackageError without Pillow.
    """
    with extra("label", "to write palette pictures"):
        from PIL import Image as PillowImage
    palette = davis_palette()
    with Output(path, is_folder=True) as work:
        # The reader of DAVIS expects 480p whatever the size is, and a list for each part of the data set.
        pictures = work / "JPEGImages" / "480p" / recording.name
        annotations = work / "Annotations" / "480p" / recording.name
        lists = work / "ImageSets" / "2017"
        for folder in (pictures, annotations, lists):
            folder.mkdir(parents=True)
        for part in ("train", "val"):
            (lists / f"{part}.txt").write_text(f"{recording.name}\n", encoding="utf-8")

        def write(result: FrameResult) -> None:
            save_picture(result.frame, pictures, (".jpg",))
            labelled = []
            for target in result:
                if target.index >= MAX_PALETTE_TARGETS:
                    raise ConfigError(f"davis: at most {MAX_PALETTE_TARGETS} targets are possible")
                labelled.append(LabelledMask(target.index + 1, target.confidence, mask_of(target, "davis")))
            picture = PillowImage.fromarray(label_picture(result.image.shape[:2], labelled), mode="P")
            picture.putpalette(palette.tobytes())
            picture.save(annotations / f"{result.frame.name}.png")

        yield write


@contextmanager
def mot(path: Path, recording: Recording) -> Iterator[Writer]:
    """The folders of MOTChallenge: `NAME/img1/`, `NAME/gt/gt.txt`, `NAME/seqinfo.ini`; results in `NAME.txt`.

    `gt.txt` and `NAME.txt` hold the same boxes, as annotations and as the results of a tracker. Frames,
    targets and pixels count from 1, as MOTChallenge defines. Classes are numbered in `NAME/gt/labels.txt`.
    """
    with Output(path, is_folder=True) as work:
        sequence = work / recording.name
        (sequence / "img1").mkdir(parents=True)
        (sequence / "gt").mkdir()
        classes = _numbered(recording.classes, first=1)
        size, count = (0, 0), 0
        with (
            (sequence / "gt" / "gt.txt").open("w", encoding="utf-8") as annotations,
            (work / f"{recording.name}.txt").open("w", encoding="utf-8") as results,
        ):

            def write(result: FrameResult) -> None:
                nonlocal size, count
                count += 1
                size = result.image.shape[1], result.image.shape[0]
                write_image(sequence / "img1" / f"{count:06d}.jpg", result.image)
                for target in result:
                    number = classes.setdefault(target.title, len(classes) + 1)
                    if not target.is_seen:
                        continue
                    x, y, width, height = target.found.box_xywh
                    start = f"{count},{target.index + 1},{x + 1:.2f},{y + 1:.2f},{width:.2f},{height:.2f}"
                    annotations.write(f"{start},1,{number},1\n")
                    results.write(f"{start},{target.confidence:.4f},-1,-1,-1\n")

            yield write
        names = "".join(f"{name}\n" for name in classes)
        (sequence / "gt" / "labels.txt").write_text(names, encoding="utf-8")
        (sequence / "seqinfo.ini").write_text(
            f"[Sequence]\nname={recording.name}\nimDir=img1\nframeRate={round(recording.fps or 0)}\n"
            f"seqLength={count}\nimWidth={size[0]}\nimHeight={size[1]}\nimExt=.jpg\n",
            encoding="utf-8",
        )


def davis_palette() -> AnyArray:
    """Return the colours of DAVIS and PASCAL VOC, uint8 [256, 3] RGB: the bits of a number, spread."""
    numbers = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for step in range(8):
        for channel in range(3):
            palette[:, channel] |= ((numbers >> channel & 1) << (7 - step)).astype(np.uint8)
        numbers >>= 3
    return palette


def _numbered(classes: Sequence[str], first: int) -> dict[str, int]:
    """Return the numbers of classes, from `first` on."""
    return {name: number for number, name in enumerate(dict.fromkeys(classes), start=first)}


def _polygon(mask: Mask) -> AnyArray | None:
    """Return the outline, int [N, 2] in indices of pixels, of a mask's largest part; None without one."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(contours, key=cv2.contourArea, default=None)
    if largest is None or len(largest) < _MIN_POLYGON:
        return None
    return np.asarray(largest).reshape(-1, 2)


def _box_in_image(target: TargetResult, width: int, height: int) -> list[float]:
    """Return the part of a target's box that lies in the image: left, top, width, height."""
    x, y, box_width, box_height = map(float, target.found.box_xywh)
    left, top = min(max(x, 0.0), width), min(max(y, 0.0), height)
    right, bottom = min(max(x + box_width, 0.0), width), min(max(y + box_height, 0.0), height)
    return [left, top, right - left, bottom - top]
