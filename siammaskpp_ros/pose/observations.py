"""What the pose of an image's targets is made from."""

from __future__ import annotations

from dataclasses import dataclass

from std_msgs.msg import Header

from siammaskpp_ros.common.tracked_target import TrackedTarget
from siammaskpp_ros.pose.options import PoseOptions


@dataclass(frozen=True)
class TrackedImage:
    """The targets that are seen in one image of `width` x `height` pixels.

    `epoch` counts how often the images' time had jumped back before.
    """

    header: Header
    width: int
    height: int
    seen: list[TrackedTarget]
    options: PoseOptions
    epoch: int

    @property
    def stamp_ns(self) -> int:
        """The stamp of the image in ns."""
        return stamp_ns_of(self.header)


def stamp_ns_of(header: Header) -> int:
    """The stamp of a header in ns."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)
