"""A stand-in for the trackers of a video: the target is every pixel above 200."""

from __future__ import annotations

import cv2
import numpy as np

from siammaskpp_core.tracking import Place, RotatedBox, State, Target, Template, TrackResult
from siammaskpp_core.tracking.boxes import BoxFusion, checked_box, mask_bounding_box
from siammaskpp_core.tracking.long_term.state import TrackStatus
from siammaskpp_core.tracking.long_term.target import TrackState


class BrightSquare:
    """Stands in for a LongTermTracker: confidence 0.75, or NaN and LOST where nothing is bright."""

    angle_rad = 0.0
    engine_name = "none"

    def __init__(self):
        self.timings = {"crop": 1.0, "search": 2.0, "decode": 3.0, "refine": 4.0, "paste": 5.0}

    def init(self, image, box_xywh):
        x, y, width, height = checked_box(box_xywh, image.shape[1], image.shape[0])
        template = Template(np.zeros(0, np.float32), (0, 0, 0), BoxFusion())
        place = Place(x + width / 2, y + height / 2, width, height)
        target = Target(template, TrackState.starting_at(place))
        return target, self._find(image, target, None)

    def try_boxes(self, image, boxes_xywh):
        return [self.init(image, box)[1] for box in boxes_xywh]

    def step(self, image, targets, stamp_ns):
        return [self._find(image, target, stamp_ns) for target in targets]

    def _find(self, image, target, stamp_ns):
        mask = cv2.compare(image[:, :, 0].copy(), 200, cv2.CMP_GT)
        box = mask_bounding_box(mask)
        state = State.LOST if box is None else State.TRACKING
        status = TrackStatus(state, is_seen=box is not None, stamp_ns=stamp_ns)
        target.track = TrackState.starting_at(target.track.place, status)
        if box is None:
            return TrackResult(np.ones(4), RotatedBox(1, 1, 1, 1, 0), float("nan"), mask)
        x, y, width, height = box
        rotated = RotatedBox(x + width / 2, y + height / 2, width, height, self.angle_rad)
        return TrackResult(box, rotated, 0.75, mask)
