"""Track one object in a video and print where it is.

python examples/video.py cup.mp4 306,122,110,262
"""

import sys

import siammaskpp_core

video, box = sys.argv[1], [float(number) for number in sys.argv[2].split(",")]

for result in siammaskpp_core.track(video, box):
    text = f"{result.time_s:6.2f} s  {result.state}"
    if result.is_seen:  # box and mask are None otherwise
        text += f"  box {result.box_xywh.round().tolist()}  mask of {(result.mask > 0).sum()} pixels"
    print(text)
