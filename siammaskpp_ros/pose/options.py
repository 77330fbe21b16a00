"""The tracker node's parameters about poses."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, option


@dataclass(frozen=True)
class PoseOptions(Checked):
    """Where depth comes from, and which poses are published."""

    depth: bool = option(
        False,
        "Subscribe to depth images (16UC1 in mm or 32FC1 in m) that are registered to the colour images",
    )
    depth_slop_s: float = option(
        0.02,
        "Largest difference of stamps between colour and depth image; keep it below half the frame interval",
        low=0.001,
        high=1.0,
        unit="s",
    )
    image_rectified: bool = option(
        False, "The images are rectified (image_rect): use P of camera_info instead of K and D"
    )
    object_size_m: float = option(
        0.0,
        "Length of the object's longer side, which gives its range without depth images; 0 if it is unknown",
        low=0.0,
        high=1000.0,
        unit="m",
        at_run_time=True,
    )
    pose_target: str = option(
        "",
        "Id of the target that ~/pose, ~/target_pose, ~/velocity, ~/bearing and ~/points describe; if empty, "
        "the target that was set first, until it is removed",
        at_run_time=True,
    )
    publish_tf: bool = option(
        False, "Broadcast the pose of every target as a transform from the camera's optical frame"
    )
