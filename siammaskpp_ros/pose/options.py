"""The tracker node's parameters about poses."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, option

POSE_RUNTIME_PARAMETERS = frozenset({"object_size_m", "pose_target"})
"""Parameters that act on the next image; all others are read when the node is configured."""


@dataclass(frozen=True)
class PoseOptions(Checked):
    """Where depth comes from, and which poses are published."""

    depth: bool = option(
        False,
        "Subscribe to the topic depth: depth images (16UC1 in mm or 32FC1 in m) that are registered to the "
        "colour images",
    )
    depth_slop_s: float = option(
        0.02,
        "Largest difference between the stamps of a colour image and its depth image; choose less than half "
        "the time between two images",
        low=0.001,
        high=1.0,
        unit="s",
    )
    image_rectified: bool = option(
        False,
        "The images are rectified (image_rect): the camera is described by P of camera_info, not by K and D",
    )
    object_size_m: float = option(
        0.0,
        "Length of the object's longer side, from which its range is computed when there is no depth image; "
        "0 means that the size is unknown",
        low=0.0,
        high=1000.0,
        unit="m",
    )
    pose_target: str = option(
        "",
        "Id of the target that ~/pose, ~/target_pose, ~/velocity, ~/bearing and ~/points describe; when "
        "empty, they describe the first visible target",
    )
    publish_tf: bool = option(
        False, "Broadcast the pose of every target as a transform from the camera's optical frame"
    )
