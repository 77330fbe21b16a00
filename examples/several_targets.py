"""Track several objects in one run; write an overlay and a table.

python examples/several_targets.py cup.mp4 cup=306,122,110,262 hand=200,300,80,80
"""

import sys
from pathlib import Path

import siammaskpp_core

video = Path(sys.argv[1])
boxes = {}
for word in sys.argv[2:]:
    label, _, numbers = word.partition("=")
    boxes[label] = [float(number) for number in numbers.split(",")]

with (
    siammaskpp_core.writer("video", f"{video.stem}_overlay.mp4") as write_overlay,
    siammaskpp_core.writer("csv", f"{video.stem}_tracks.csv") as write_table,
):
    for frame in siammaskpp_core.track_several(video, boxes):
        write_overlay(frame)
        write_table(frame)
        print(f"frame {frame.number}: " + ", ".join(f"{target.id} {target.state}" for target in frame))
