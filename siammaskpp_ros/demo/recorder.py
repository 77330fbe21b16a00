"""Records the results of a tracking run: overlay video, contact sheet and table of tracks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from siammaskpp.msg import TrackedObject, TrackedObjectArray
from siammaskpp_core.arrays import AnyArray, Image
from siammaskpp_core.io.drawing import contact_sheet
from siammaskpp_core.io.images import write_image
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.io.results import Row, TableWriter
from siammaskpp_core.io.stamps import NS_PER_S, stamp_ns
from siammaskpp_core.io.video import VideoWriter
from siammaskpp_ros.common.tracked_target import state_name

_SHEET_PICTURES, _SHEET_COLUMNS, _SHEET_WIDTH_PX = 12, 4, 320


@dataclass
class Recording:
    """Overlay pictures and results of one run, in the order of arrival."""

    overlays: list[tuple[int, AnyArray]] = field(default_factory=list)
    """Stamps in ns and JPEG data [N] uint8."""
    rows: list[Row] = field(default_factory=list)
    """One row of the table for each target in each image."""
    tracked_images: int = 0
    """Number of images whose results have arrived."""

    def add_overlay(self, time_ns: int, picture: Image) -> None:
        """Add a picture [H, W, 3] BGR, kept as JPEG so that a long video fits in memory."""
        self.overlays.append((time_ns, cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]))

    def add_objects(self, message: TrackedObjectArray) -> None:
        """Add a row to the table for each target."""
        time_ns = stamp_ns(message.header.stamp)
        for item in message.objects:
            name, place = state_name(item.state), _place(item) if item.mask_value else None
            self.rows.append(Row(time_ns, self.tracked_images, item.id, item.label, name, item.score, place))
        self.tracked_images += 1

    def states(self) -> list[str]:
        """Return the track state of each row, by name."""
        return [row.state for row in self.rows]

    def save(self, folder: Path) -> None:
        """Write tracks.csv to `folder`, and overlay.mp4 and contact_sheet.png when there are pictures.

        Raises :class:`~siammaskpp_core.io.outputs.OutputError` when a file cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with (
            Output(folder / "tracks.csv") as work,
            work.open("w", newline="", encoding="utf-8") as file,
        ):
            table = TableWriter(file)
            for row in self.rows:
                table.write(row)
        if not self.overlays:
            return
        with Output(folder / "overlay.mp4") as work:
            self._save_video(work)
        last = len(self.overlays) - 1
        chosen = sorted({round(step) for step in np.linspace(0, last, _SHEET_PICTURES)})
        pictures = [_thumbnail(_decoded(self.overlays[index][1])) for index in chosen]
        with Output(folder / "contact_sheet.png") as work:
            write_image(work, contact_sheet(pictures, _SHEET_COLUMNS))

    def _save_video(self, path: Path) -> None:
        """Write the pictures as a video at their mean rate, so that it is as long as the run."""
        duration_s = (self.overlays[-1][0] - self.overlays[0][0]) / NS_PER_S
        fps = (len(self.overlays) - 1) / duration_s if duration_s > 0 else None
        height, width = _decoded(self.overlays[0][1]).shape[:2]
        with VideoWriter(path, (width, height), fps) as writer:
            for _, data in self.overlays:
                writer.write(_decoded(data))


def _place(item: TrackedObject) -> tuple[float, ...]:
    """Return box and rotated box of a target as columns of the table."""
    box, rotated = item.box, item.rotated_box
    sides = (rotated.width, rotated.height, rotated.angle)
    return (box.x, box.y, box.width, box.height, rotated.center_x, rotated.center_y, *sides)


def _decoded(data: AnyArray) -> Image:
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _thumbnail(picture: Image) -> Image:
    scale = _SHEET_WIDTH_PX / picture.shape[1]
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
