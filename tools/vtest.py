"""Write OpenCV's vtest.avi as sequences of six pedestrians, for `siammaskpp evaluate --protocol identity`.

    python -m tools.vtest vtest.avi OUT

Debian's package opencv-doc has the video. The boxes in vtest.csv were drawn by hand in every tenth of the
first 151 frames; those between are interpolated. Three people in dark clothes meet at a sign post, pass
behind it and part again, and three others pass them.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from itertools import islice
from pathlib import Path

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.io.images import MediaError, write_image
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.io.video import open_frames

FRAMES = 151
TRUTH = Path(__file__).with_name("vtest.csv")


def true_boxes() -> dict[str, Float64Array]:
    """Return the boxes [FRAMES, 4] of each person: x, y, w, h in pixels, NaN while they are out of view."""
    drawn: dict[str, list[list[float]]] = defaultdict(list)
    with TRUTH.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            drawn[row["person"]].append([float(row[name]) for name in ("frame", "x", "y", "width", "height")])
    frames = np.arange(FRAMES)
    boxes = {}
    for person, rows in drawn.items():
        known = np.array(rows)
        boxes[person] = np.stack(
            [np.interp(frames, known[:, 0], side, left=np.nan, right=np.nan) for side in known[:, 1:].T],
            axis=1,
        )
    return boxes


def write_sequences(video: Path, output: Path) -> None:
    """Write the frames and the ground truth in OTB's layout to the new folder `output`.

    Raises :class:`~siammaskpp_core.io.images.MediaError` when the video cannot be read or is too short, and
    :class:`~siammaskpp_core.io.outputs.OutputError` when `output` cannot be written.
    """
    with Output(output, is_folder=True) as folder:
        (folder / "img").mkdir()
        count = 0
        frames = open_frames(video)
        for count, image in enumerate(islice(frames, FRAMES), start=1):
            write_image(folder / "img" / f"{count:04d}.png", image)
        if frames.left_out:
            raise MediaError(frames.left_out[0])
        if count < FRAMES:
            raise MediaError(f"{video}: {count} frames; vtest.avi of OpenCV has more than {FRAMES}")
        for person, boxes in true_boxes().items():
            np.savetxt(folder / f"groundtruth_rect.{person}.txt", boxes, fmt="%.1f", delimiter=",")


def main() -> None:
    """Write the sequences that the command line asks for."""
    parser = argparse.ArgumentParser(description="Write OpenCV's vtest.avi as sequences of six pedestrians.")
    parser.add_argument("video", type=Path, help="vtest.avi")
    parser.add_argument("output", type=Path, help="new folder")
    options = parser.parse_args()
    write_sequences(options.video, options.output)


if __name__ == "__main__":
    main()
