"""Start from a mask instead of a box, such as one that a segmentation network made, and save the masks.

python examples/start_from_mask.py cup.mp4 first_mask.png masks/
"""

import sys
from pathlib import Path

import cv2

import siammaskpp_core

video, mask_file, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
mask = cv2.imread(mask_file, cv2.IMREAD_GRAYSCALE)  # not 0 on the object
folder.mkdir(exist_ok=True)

for result in siammaskpp_core.track(video, mask=mask):
    if result.mask is not None:  # None while the object is not seen
        cv2.imwrite(str(folder / f"{result.frame:06d}.png"), result.mask)
