"""Sequences of any layout as a data set that the VOT toolkit reads: links to the pictures and a truth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from vot.region import Mask, Polygon, Rectangle, Region, Special
from vot.region.io import parse_region, write_trajectory
from vot.utilities import read_properties, write_properties

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.data.sequences import DatasetError, VideoSequence
from siammaskpp_core.io.images import read_image
from siammaskpp_core.tracking import RotatedBox

ANCHOR_DISTANCE = 50
"""Frames between the starts of the multi-start experiment (VOT2020)."""
FPS = 30
"""What the toolkit takes for sequences that do not say."""
SHORTEST = 12
"""Frames: the toolkit's accuracy leaves out the ten after a start."""


@dataclass(frozen=True)
class VotSequence:
    """Consecutive frames with a region each. `regions` are masks, or rectangles and polygons.

    `anchors` [N] are 1 where a multi-start run goes forward from, -1 backward, 0 elsewhere.
    """

    name: str
    frames: tuple[Path, ...]
    regions: tuple[Region, ...]
    anchors: tuple[int, ...]
    fps: float

    @property
    def has_masks(self) -> bool:
        """Whether every region is a mask."""
        return all(isinstance(region, Mask) for region in self.regions)

    def with_polygons(self) -> VotSequence:
        """With each mask replaced by the smallest rotated rectangle around it."""
        regions = tuple(_polygon(region) if isinstance(region, Mask) else region for region in self.regions)
        return VotSequence(self.name, self.frames, regions, self.anchors, self.fps)

    def run_lengths(self) -> list[int]:
        """The frames of each multi-start run."""
        last = len(self.frames) - 1
        starts = [(index, way) for index, way in enumerate(self.anchors) if way]
        return [1 + (last - index if way > 0 else index) for index, way in starts]


def label(sequence: VideoSequence) -> VotSequence:
    """The longest run of frames in which the object is present, as VOT's rules know no absence.

    Raises :class:`DatasetError` when that is too short to be evaluated.
    """
    folder = _vot_folder(sequence)
    regions = _regions(sequence, folder)
    runs = [
        [index for index, _ in group]
        for present, group in groupby(enumerate(regions), key=lambda item: _is_present(item[1]))
        if present
    ]
    run = max(runs, key=len, default=[])
    if len(run) < SHORTEST:
        raise DatasetError(
            f"{sequence.name}: VOT needs at least {SHORTEST} frames one after the other with the object "
            f"labelled, the longest run has {len(run)}"
        )
    keep = slice(run[0], run[-1] + 1)
    properties = read_properties(str(folder / "sequence")) if folder else {}
    anchors = _given_anchors(folder, len(run)) if folder else None
    return VotSequence(
        sequence.name,
        sequence.frames[keep],
        tuple(regions[keep]),
        tuple(anchors or spaced_anchors(len(run))),
        float(properties.get("fps", FPS)),
    )


def spaced_anchors(length: int) -> list[int]:
    """Starts every 50 frames and at the last one, each in the direction with more frames (VOT2020)."""
    anchors = [0] * length
    for index in [*range(0, length, ANCHOR_DISTANCE), length - 1]:
        anchors[index] = 1 if length - 1 - index >= index else -1
    return anchors


def write_dataset(folder: Path, sequences: Sequence[VotSequence]) -> None:
    """Lay `sequences` out in the new `folder` as the toolkit reads them."""
    folder.mkdir(parents=True)
    for sequence in sequences:
        pictures = folder / sequence.name / "color"
        pictures.mkdir(parents=True)
        for number, frame in enumerate(sequence.frames, start=1):
            # All have the one suffix that the toolkit looks for; readers go by the content.
            (pictures / f"{number:08d}.jpg").symlink_to(frame.resolve())
        write_trajectory(str(folder / sequence.name / "groundtruth.txt"), list(sequence.regions))
        (folder / sequence.name / "anchor.value").write_text("\n".join(map(str, sequence.anchors)) + "\n")
        height, width = read_image(sequence.frames[0]).shape[:2]
        properties = {
            "channels.color": "color/%08d.jpg",
            "fps": round(sequence.fps),
            "width": width,
            "height": height,
        }
        write_properties(str(folder / sequence.name / "sequence"), properties)
    (folder / "list.txt").write_text("".join(f"{sequence.name}\n" for sequence in sequences))


def _vot_folder(sequence: VideoSequence) -> Path | None:
    if sequence.layout != "vot":
        return None
    folder = sequence.frames[0].parent
    return folder.parent if folder.name == "color" else folder


def _regions(sequence: VideoSequence, folder: Path | None) -> list[Region]:
    """One region for each frame of `sequence`."""
    count = len(sequence.frames)
    if folder:
        lines = (folder / "groundtruth.txt").read_text(encoding="utf-8").splitlines()
        regions = [parse_region(re.sub(r"[,;\s]+", ",", line.strip())) for line in lines if line.strip()]
        # The sequence may begin later than its files do, but ends with them.
        return regions[-count:]
    if sequence.annotations:
        return [Mask(sequence.mask(index), optimize=True) for index in range(count)]
    return [Rectangle(*box) if np.isfinite(box).all() else Special(0) for box in sequence.boxes]


def _is_present(region: Region) -> bool:
    return not isinstance(region, Special) and not region.is_empty()


def _given_anchors(folder: Path, length: int) -> list[int] | None:
    """Those of the data set, unless only a part of the sequence is used."""
    file = folder / "anchor.value"
    if not file.is_file():
        return None
    values = [int(np.sign(float(word))) for word in file.read_text().split()]
    return values if len(values) == length and any(values) else None


def _polygon(mask: Mask) -> Region:
    corners = mask_polygon(mask.mask)
    assert corners is not None, "only frames with the object are kept"
    return Polygon([(float(x), float(y)) for x, y in corners + mask.offset])


def polygon_box(corners: Float64Array) -> Float64Array:
    """The upright box (x, y, w, h in pixels) from which to track what a polygon [4, 2] surrounds.

    The hull of the polygon shrunk about the mean of its corners to the area of the rotated rectangle, as all
    published Siamese trackers begin on VOT (SiamFC and those after it).
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    sides = np.linalg.norm(np.diff(corners[:3], axis=0), axis=1)
    hull_area = np.prod(high - low)
    shrink = np.sqrt(np.prod(sides) / hull_area) if hull_area > 0 else 1.0
    size = shrink * (high - low) + 1
    return np.concatenate([corners.mean(axis=0) + 0.5 - size / 2, size])


def rotated_polygon(box: RotatedBox) -> Float64Array:
    """The corners [4, 2] of a rotated box; one thinner than a pixel becomes a line."""
    drawn = replace(
        box,
        center_x=box.center_x - 0.5,
        center_y=box.center_y - 0.5,
        width=max(box.width - 1, 0.0),
        height=max(box.height - 1, 0.0),
    )
    return drawn.corners().astype(np.float64)


def mask_polygon(mask: Image) -> Float64Array | None:
    """The corners [4, 2] of the smallest rotated rectangle around all of a mask [H, W]; None when empty."""
    pixels = cv2.findNonZero(mask)
    return None if pixels is None else cv2.boxPoints(cv2.minAreaRect(pixels)).astype(np.float64)
