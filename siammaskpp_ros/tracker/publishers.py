"""Publish tracking results, always with the stamp and the frame id of the image in which they were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from siammaskpp.msg import FrameTiming, TrackedObject, TrackedObjectArray
from siammaskpp_core import arrays
from siammaskpp_core.io.drawing import DrawnTarget, draw_targets
from siammaskpp_core.io.results import fill_tracked_object
from siammaskpp_core.tracking.masks import LabelledMask, label_picture, union_mask
from siammaskpp_core.tracking.tracker import STAGES
from siammaskpp_ros.common.conversions import to_image
from siammaskpp_ros.common.frame_buffer import Frame
from siammaskpp_ros.common.tracked_target import TrackedTarget

# Reliable publishers serve reliable and best-effort subscribers; only the newest picture matters.
_PICTURE_QOS = QoSProfile(depth=1)
_OBJECTS_QOS = QoSProfile(depth=10)

FRAME_STAGES = ("receive", "queue", "convert", *STAGES, "publish")
"""Stages from the arrival of an image to the publication of its results; see FrameTiming.msg."""


class ResultPublishers:
    """The topics ``~/tracked_objects``, ``~/mask``, ``~/labels``, ``~/overlay`` and ``~/timing``."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._objects = node.create_publisher(TrackedObjectArray, "~/tracked_objects", _OBJECTS_QOS)
        self._mask = node.create_publisher(Image, "~/mask", _PICTURE_QOS)
        self._labels = node.create_publisher(Image, "~/labels", _PICTURE_QOS)
        self._overlay = node.create_publisher(Image, "~/overlay", _PICTURE_QOS)
        self._timing = node.create_publisher(FrameTiming, "~/timing", _OBJECTS_QOS)

    def publish(
        self, header: Header, picture: arrays.Image, tracked: Sequence[TrackedTarget]
    ) -> list[TrackedObject]:
        """Publish the targets of one image, mask and labels only if a target is seen in it.

        Pictures are made only for topics with subscribers. Returns the published objects.
        """
        objects = objects_of(tracked)
        self._objects.publish(TrackedObjectArray(header=header, objects=objects))
        found = [
            (item, entry.result) for item, entry in zip(objects, tracked, strict=True) if item.mask_value
        ]
        shape = picture.shape[:2]
        if found and self._mask.get_subscription_count():
            union = union_mask(shape, [result.mask for _, result in found])
            self._mask.publish(to_image(union, "mono8", header))
        if found and self._labels.get_subscription_count():
            labelled = [LabelledMask(item.mask_value, r.confidence, r.mask) for item, r in found]
            self._labels.publish(to_image(label_picture(shape, labelled), "mono8", header))
        if self._overlay.get_subscription_count():
            drawn = draw_targets(picture, [_drawn(entry) for entry in tracked])
            self._overlay.publish(to_image(drawn, "bgr8", header))
        return objects

    def publish_timing(
        self, frame: Frame, times: FrameTimes, age_s: float, tracker_ms: Mapping[str, float]
    ) -> None:
        """Publish how long each stage of processing one image took; see :func:`timing_message`."""
        if self._timing.get_subscription_count():
            self._timing.publish(timing_message(frame, times, age_s, tracker_ms))

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._objects, self._mask, self._labels, self._overlay, self._timing):
            self._node.destroy_publisher(publisher)


def _drawn(entry: TrackedTarget) -> DrawnTarget:
    result = entry.result if entry.is_seen else None
    return DrawnTarget(entry.label or entry.id, entry.state.name, result, entry.number - 1)


def objects_of(tracked: Sequence[TrackedTarget]) -> list[TrackedObject]:
    """Return the messages of all targets; those that are not seen have the mask value 0."""
    objects: list[TrackedObject] = []
    for entry in tracked:
        item = TrackedObject(id=entry.id, label=entry.label)
        mask_value = entry.number if entry.is_seen else 0
        fill_tracked_object(item, entry.result, int(entry.state), mask_value)
        objects.append(item)
    return objects


class FrameTimes(NamedTuple):
    """Times, on the monotonic clock, of the steps in which the tracking thread processes one image."""

    begun_s: float
    converted_s: float
    tracked_s: float
    published_s: float


def timing_message(
    frame: Frame, times: FrameTimes, age_s: float, tracker_ms: Mapping[str, float]
) -> FrameTiming:
    """Return the message about the processing of `frame`.

    `age_s` is the age of the image when its results had been published; `tracker_ms` holds the duration of
    each stage of the tracker's step that was run.
    """
    total_s = times.published_s - frame.received_s
    message = FrameTiming(
        header=frame.message.header,
        transport_ms=(age_s - total_s) * 1e3,
        receive_ms=frame.receive_delay_s * 1e3,
        queue_ms=(times.begun_s - frame.received_s - frame.receive_delay_s) * 1e3,
        convert_ms=(times.converted_s - times.begun_s) * 1e3,
        publish_ms=(times.published_s - times.tracked_s) * 1e3,
        total_ms=total_s * 1e3,
    )
    for stage in STAGES:
        setattr(message, f"{stage}_ms", float(tracker_ms.get(stage, 0.0)))
    return message
