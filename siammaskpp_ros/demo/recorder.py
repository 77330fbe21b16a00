"""Keeps what a tracking run published: overlay video, contact sheet, table of tracks."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp.msg import TrackedObject, TrackedObjectArray
from siammaskpp_core.io.drawing import contact_sheet
from siammaskpp_core.io.video import VideoWriter

_STATE_NAMES = {
    TrackedObject.TRACKING: "TRACKING",
    TrackedObject.UNCERTAIN: "UNCERTAIN",
    TrackedObject.LOST: "LOST",
}
_BOX_COLUMNS = ("x", "y", "width", "height")
_ROTATED_COLUMNS = ("center_x", "center_y", "rotated_width", "rotated_height", "angle_rad")
_COLUMNS = ("stamp_s", "id", "state", "score", *_BOX_COLUMNS, *_ROTATED_COLUMNS)
_SHEET_PICTURES, _SHEET_COLUMNS, _SHEET_WIDTH_PX = 12, 4, 320


@dataclass
class Recording:
    """Pictures and results of one run, in the order in which they came."""

    overlays: list[tuple[float, NDArray[np.uint8]]] = field(default_factory=list)  # JPEG bytes by stamp
    rows: list[list[object]] = field(default_factory=list)

    def add_overlay(self, stamp_s: float, picture: NDArray[np.uint8]) -> None:
        """Keep a picture (compressed: a long video must fit in memory)."""
        self.overlays.append((stamp_s, cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]))

    def add_objects(self, message: TrackedObjectArray) -> None:
        """Keep a row for every object."""
        stamp_s = stamp_seconds(message)
        for item in message.objects:
            box, rotated = item.box, item.rotated_box
            places = [box.x, box.y, box.width, box.height]
            places += [rotated.center_x, rotated.center_y, rotated.width, rotated.height, rotated.angle]
            texts = [f"{value:.3f}" for value in [item.score, *places]]
            self.rows.append([f"{stamp_s:.6f}", item.id, _STATE_NAMES[item.state], *texts])

    def states(self) -> list[str]:
        """State of every row."""
        return [str(row[2]) for row in self.rows]

    def save(self, folder: Path) -> None:
        """Write tracks.csv, and overlay.mp4 and contact_sheet.png when there are pictures."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "tracks.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            writer.writerows(self.rows)
        if not self.overlays:
            return
        self._save_video(folder / "overlay.mp4")
        last = len(self.overlays) - 1
        chosen = sorted({round(step) for step in np.linspace(0, last, _SHEET_PICTURES)})
        pictures = [_fitted(_decoded(self.overlays[index][1])) for index in chosen]
        cv2.imwrite(str(folder / "contact_sheet.png"), contact_sheet(pictures, _SHEET_COLUMNS))

    def _save_video(self, path: Path) -> None:
        """At the mean rate at which the pictures came, so that it lasts as long as the run did."""
        stamps_s = [stamp_s for stamp_s, _ in self.overlays]
        duration_s = stamps_s[-1] - stamps_s[0]
        fps = (len(stamps_s) - 1) / duration_s if duration_s > 0 else None
        height, width = _decoded(self.overlays[0][1]).shape[:2]
        with VideoWriter(path, (width, height), fps) as writer:
            for _, data in self.overlays:
                writer.write(_decoded(data))


def stamp_seconds(message: TrackedObjectArray) -> float:
    """The stamp of any message with a header, in s."""
    return float(message.header.stamp.sec + message.header.stamp.nanosec * 1e-9)


def _decoded(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _fitted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = _SHEET_WIDTH_PX / picture.shape[1]
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
