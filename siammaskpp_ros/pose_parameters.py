"""The node's parameters for poses."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, option

POSE_RUNTIME_PARAMETERS = frozenset({"object_size_m", "pose_target"})


@dataclass(frozen=True)
class PoseOptions(Checked):
    """What poses are made of and for whom."""

    depth: bool = option(
        False, "Take depth images, registered to the colour images, from the topic depth (16UC1 mm, 32FC1 m)"
    )
    depth_slop_s: float = option(
        0.02,
        "How far the stamps of image and depth may differ; less than half the time between two images",
        low=0.001,
        high=1.0,
        unit="s",
    )
    image_rectified: bool = option(
        False, "The images are rectified (image_rect): P of camera_info describes them, not K and D"
    )
    object_size_m: float = option(
        0.0,
        "Without depth: length of the object's longer side, which gives its range; 0: unknown",
        low=0.0,
        high=1000.0,
        unit="m",
    )
    pose_target: str = option(
        "", "Target of ~/pose, ~/target_pose, ~/velocity and ~/points; empty: the first that is seen"
    )
    publish_tf: bool = option(False, "Also broadcast the pose of every target as a transform")
