"""TraX servers with known answers, which the VOT toolkit starts: `python vot_trackers.py NAME`.

The object is all that is brighter than 200.
"""

import sys
import time

import cv2
import numpy as np

from siammaskpp_core.evaluation.vot.server import Answer, serve
from siammaskpp_core.tracking import RotatedBox


class Right:
    """Always right: a mask, a rotated box and a box."""

    starts = 0

    def init(self, image, box_xywh):
        self.starts += 1
        self.updates = 0

    def update(self, image):
        self.updates += 1
        mask = np.where(image[:, :, 0] > 200, 255, 0).astype(np.uint8)
        x, y, w, h = cv2.boundingRect(mask)
        return Answer(np.array([x, y, w, h], float), RotatedBox(x + w / 2, y + h / 2, w, h, 0.0), mask, 0.75)


class LosesOnce(Right):
    """Finds nothing in the tenth frame after its first start."""

    def update(self, image):
        answer = super().update(image)
        return None if (self.starts, self.updates) == (1, 10) else answer


class Slow(Right):
    """Takes three and a half intervals between frames that come 30 times a second."""

    def update(self, image):
        time.sleep(3.5 / 30)
        return super().update(image)


class Dies(Right):
    """Ends with an error in the third frame after a start."""

    def update(self, image):
        answer = super().update(image)
        if self.updates == 3:
            raise RuntimeError("out of luck")
        return answer


if __name__ == "__main__":
    serve({"right": Right, "loses": LosesOnce, "slow": Slow, "dies": Dies}[sys.argv[1]](), sys.argv[1])
