"""The writer of a ROS 2 bag with what the node would publish; needs the extra [bag]."""

from __future__ import annotations

from typing import Any

import numpy as np

from siammaskpp_core.arrays import Mask
from siammaskpp_core.io.bags import BagFrame, BagWriter
from siammaskpp_core.io.results import fill_tracked_object
from siammaskpp_core.offline.results import FrameResult
from siammaskpp_core.tracking.masks import LabelledMask, label_picture, union_mask

OBJECTS_TOPIC = "/tracker_node/tracked_objects"
MASK_TOPIC = "/tracker_node/mask"
LABELS_TOPIC = "/tracker_node/labels"
RESULT_TOPICS = (OBJECTS_TOPIC, MASK_TOPIC, LABELS_TOPIC)
"""Topics of the results; a node with default names publishes on the same ones."""


class BagRecorder:
    """Writes the results of the images of a bag to a new bag; the labels of several targets as well."""

    def __init__(self, writer: BagWriter) -> None:
        self.images = self.masks = 0
        self._writer = writer

    def __call__(self, result: FrameResult) -> None:
        """Write the results of one image, a :class:`~siammaskpp_core.io.bags.BagFrame`."""
        frame, types = result.frame, self._writer.types
        assert isinstance(frame, BagFrame)
        objects = [_empty_object(types, target.id, target.label) for target in result]
        for item, target in zip(objects, result, strict=True):
            mask_value = target.index + 1 if target.is_seen else 0
            fill_tracked_object(item, target.found, int(target.state), mask_value)
        array = types["siammaskpp/msg/TrackedObjectArray"](header=frame.header, objects=objects)
        self._writer.write(OBJECTS_TOPIC, array, frame.recorded_ns)
        self.images += 1
        masks = [target.mask for target in result.seen if target.mask is not None]
        if not masks:
            return
        shape = result.image.shape[:2]
        self._write_picture(MASK_TOPIC, frame, union_mask(shape, masks))
        self.masks += 1
        if len(result) > 1:
            labelled = [
                LabelledMask(target.index + 1, target.confidence, target.mask) for target in result.seen
            ]
            self._write_picture(LABELS_TOPIC, frame, label_picture(shape, labelled))

    def _write_picture(self, topic: str, frame: BagFrame, picture: Mask) -> None:
        self._writer.write(topic, _mono_image(self._writer.types, frame.header, picture), frame.recorded_ns)


def _empty_object(types: dict[str, Any], id: str, label: str) -> Any:
    """Return a siammaskpp/TrackedObject of a target with all other fields zero."""
    return types["siammaskpp/msg/TrackedObject"](
        id=id,
        label=label,
        state=0,
        score=0.0,
        box=types["siammaskpp/msg/Box"](*(0.0,) * 4),
        rotated_box=types["siammaskpp/msg/RotatedBox"](*(0.0,) * 5, np.zeros(8)),
        mask_value=0,
    )


def _mono_image(types: dict[str, Any], header: Any, mask: Mask) -> Any:
    """Return a mono8 sensor_msgs/Image of a mask."""
    height, width = mask.shape
    return types["sensor_msgs/msg/Image"](
        header=header,
        height=height,
        width=width,
        encoding="mono8",
        is_bigendian=0,
        step=width,
        data=np.ascontiguousarray(mask).reshape(-1),
    )
