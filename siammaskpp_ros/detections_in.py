"""Detections of vision_msgs, of which one becomes the target."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Detection(NamedTuple):
    """A detected object: its upright box (x, y, w, h) in pixels."""

    class_id: str
    score: float
    box_xywh: tuple[float, float, float, float]


def detection_array_type() -> type | None:
    """vision_msgs/Detection2DArray; None where vision_msgs is not installed."""
    try:
        from vision_msgs.msg import Detection2DArray
    except ImportError:
        return None
    kind: type = Detection2DArray
    return kind


def best_detection(message: Any, wanted_class: str, min_score: float) -> Detection | None:
    """The detection of `wanted_class` (empty: of any) with the highest score, from `min_score` on.

    `message` is a vision_msgs/Detection2DArray; each detection may have several hypotheses.
    """
    found = [
        Detection(item.hypothesis.class_id, item.hypothesis.score, _upright_box(detection.bbox))
        for detection in message.detections
        for item in detection.results
        if wanted_class in ("", item.hypothesis.class_id) and item.hypothesis.score >= min_score
    ]
    return max(found, key=lambda detection: detection.score, default=None)


def _upright_box(bbox: Any) -> tuple[float, float, float, float]:
    """Around a vision_msgs/BoundingBox2D, which may be turned."""
    center, theta = bbox.center.position, bbox.center.theta
    cos, sin = abs(math.cos(theta)), abs(math.sin(theta))
    width, height = bbox.size_x * cos + bbox.size_y * sin, bbox.size_x * sin + bbox.size_y * cos
    return center.x - width / 2, center.y - height / 2, width, height
