"""Sequences of any layout as a data set that the VOT toolkit reads, and VOT's regions."""

from __future__ import annotations

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
from siammaskpp_core.data.sequences import DatasetError, VideoSequence, truth_lines
from siammaskpp_core.io.images import read_image
from siammaskpp_core.tracking import RotatedBox

ANCHOR_DISTANCE = 50
"""Frames between two starts of the multi-start experiment (VOT2020)."""
DEFAULT_FPS = 30
"""Frame rate that the toolkit assumes for a sequence that gives none."""
MIN_FRAMES = 12
"""Length of the shortest usable sequence: the toolkit's accuracy leaves out ten frames after a start."""


@dataclass(frozen=True)
class VotSequence:
    """A sequence for the toolkit: consecutive frames, each with a mask, a polygon or a rectangle.

    `anchors` [N] is 1 where a multi-start run starts forward, -1 where one starts backward, 0 elsewhere.
    """

    name: str
    frames: tuple[Path, ...]
    regions: tuple[Region, ...]
    anchors: tuple[int, ...]
    fps: float

    @property
    def has_masks(self) -> bool:
        """True if every region is a mask."""
        return all(isinstance(region, Mask) for region in self.regions)

    def with_polygons(self) -> VotSequence:
        """Return a copy in which the smallest rotated rectangle around it replaces each mask."""
        regions = tuple(_polygon(region) if isinstance(region, Mask) else region for region in self.regions)
        return VotSequence(self.name, self.frames, regions, self.anchors, self.fps)

    def run_lengths(self) -> list[int]:
        """Return the number of frames of each multi-start run."""
        last = len(self.frames) - 1
        starts = [(index, direction) for index, direction in enumerate(self.anchors) if direction]
        return [1 + (last - index if direction > 0 else index) for index, direction in starts]


def vot_sequence(sequence: VideoSequence) -> VotSequence:
    """Return the longest run of frames with the object, as VOT's short-term rules know no absent target.

    Raises :class:`DatasetError` when the run is too short to be evaluated.
    """
    folder = _vot_folder(sequence)
    regions = _regions(sequence, folder)
    runs = [
        [index for index, _ in group]
        for present, group in groupby(enumerate(regions), key=lambda item: _is_present(item[1]))
        if present
    ]
    run = max(runs, key=len, default=[])
    if len(run) < MIN_FRAMES:
        raise DatasetError(
            f"{sequence.name}: VOT needs at least {MIN_FRAMES} frames one after the other with the object "
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
        float(properties.get("fps", DEFAULT_FPS)),
    )


def spaced_anchors(length: int) -> list[int]:
    """Return anchors at every 50th frame and the last one, in the direction with more frames (VOT2020)."""
    anchors = [0] * length
    for index in [*range(0, length, ANCHOR_DISTANCE), length - 1]:
        anchors[index] = 1 if length - 1 - index >= index else -1
    return anchors


def write_dataset(folder: Path, sequences: Sequence[VotSequence]) -> None:
    """Write a data set of the toolkit to the new `folder`, with links to the pictures of `sequences`."""
    folder.mkdir(parents=True)
    for sequence in sequences:
        pictures = folder / sequence.name / "color"
        pictures.mkdir(parents=True)
        for number, frame in enumerate(sequence.frames, start=1):
            # The toolkit looks for this suffix only; image readers go by the content.
            (pictures / f"{number:08d}.jpg").symlink_to(frame.resolve())
        write_trajectory(str(folder / sequence.name / "groundtruth.txt"), list(sequence.regions))
        (folder / sequence.name / "anchor.value").write_text("\n".join(map(str, sequence.anchors)) + "\n")
        height, width = read_image(sequence.frames[0], as_stored=True).shape[:2]
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
    """Return one region for each frame of `sequence`."""
    count = len(sequence.frames)
    if folder:
        regions = [parse_region(line) for _, line in truth_lines(folder / "groundtruth.txt")]
        # `sequence` may begin later than the file of the ground truth, but both end with the same frame.
        return regions[-count:]
    if sequence.annotations:
        return [Mask(sequence.mask(index), optimize=True) for index in range(count)]
    return [Rectangle(*box) if np.isfinite(box).all() else Special(0) for box in sequence.boxes]


def _is_present(region: Region) -> bool:
    return not isinstance(region, Special) and not region.is_empty()


def _given_anchors(folder: Path, length: int) -> list[int] | None:
    """Return the anchors of a VOT data set; None without any, or if only a part of the sequence is used."""
    file = folder / "anchor.value"
    if not file.is_file():
        return None
    values = [int(np.sign(float(word))) for word in file.read_text().split()]
    return values if len(values) == length and any(values) else None


def _polygon(mask: Mask) -> Region:
    corners = mask_polygon(mask.mask)
    assert corners is not None, "vot_sequence keeps only frames with the object"
    return Polygon([(float(x), float(y)) for x, y in corners + mask.offset])


def polygon_box(corners: Float64Array) -> Float64Array:
    """Return the box (x, y, w, h in pixels) from which to track the object in a polygon [4, 2].

    It is the axis-aligned bounding box of the polygon, shrunk about the mean of the corners to the area of
    the rotated rectangle. All published Siamese trackers since SiamFC start from this box on VOT.
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    sides = np.linalg.norm(np.diff(corners[:3], axis=0), axis=1)
    bounding_area = np.prod(high - low)
    shrink = np.sqrt(np.prod(sides) / bounding_area) if bounding_area > 0 else 1.0
    size = shrink * (high - low) + 1
    return np.concatenate([corners.mean(axis=0) + 0.5 - size / 2, size])


def rotated_polygon(box: RotatedBox) -> Float64Array:
    """Return the corners [4, 2] of a rotated box as VOT's polygon, whose corners are centres of pixels.

    A box that is thinner than a pixel becomes a line.
    """
    inner = replace(
        box,
        center_x=box.center_x - 0.5,
        center_y=box.center_y - 0.5,
        width=max(box.width - 1, 0.0),
        height=max(box.height - 1, 0.0),
    )
    return inner.corners().astype(np.float64)


def mask_polygon(mask: Image) -> Float64Array | None:
    """Return the corners [4, 2] of the smallest rotated rectangle around a mask [H, W], None if empty."""
    pixels = cv2.findNonZero(mask)
    return None if pixels is None else cv2.boxPoints(cv2.minAreaRect(pixels)).astype(np.float64)
