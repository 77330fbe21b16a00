"""One box in each video in, a data set in the format of COCO out.

python examples/label_data_set.py cup cup1.mp4=306,122,110,262 cup2.mp4=10,20,60,90

Each video becomes a folder with pictures and instances.json. Look at the masks before you train with them:
frames in which the tracker was not sure are left out here.
"""

import sys
from pathlib import Path

import siammaskpp_core
from siammaskpp_core import State

label = sys.argv[1]
tracker = siammaskpp_core.load_tracker()  # loaded once

for word in sys.argv[2:]:
    video, _, numbers = word.rpartition("=")
    box = [float(number) for number in numbers.split(",")]
    kept = 0
    with siammaskpp_core.writer("coco", f"{Path(video).stem}_coco", name=Path(video).stem) as write:
        for frame in siammaskpp_core.track_several(video, {label: box}, tracker=tracker):
            if all(target.state is State.TRACKING and target.is_seen for target in frame):
                write(frame)
                kept += 1
    print(f"{video}: {kept} pictures")
