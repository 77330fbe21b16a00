"""The parameters of the tracker node."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, option, part
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.tracking import LongTermConfig
from siammaskpp_ros.pose.options import PoseOptions

FIXED_BECAUSE = (
    "is read when the node is configured: deactivate and clean up the node first, or set it at start"
)
"""End of the sentence that says why a parameter cannot be changed at run time."""


@dataclass(frozen=True)
class NodeConfig(Checked):
    """All parameters of the tracker node: those of the engine, its own, and those of tracking and poses.

    The names of ROS parameters are flat: `tracking.lost_after_s` is the parameter ``lost_after_s``.
    Parameters that change at run time act on the next image; the others are read when the node is configured.
    """

    engine: EngineOptions = part(EngineOptions)
    autostart: bool = option(
        True,
        "Configure and activate the node at start; when false, it waits for lifecycle commands",
        read_only=True,
    )
    model: str = option("", "Folder of the model; when empty, the default model of this package is loaded")
    compressed: bool = option(
        False, "Subscribe to sensor_msgs/CompressedImage on image/compressed instead of image"
    )
    image_reliability: str = option(
        "auto",
        "Reliability of the image subscriptions; auto is reliable when all publishers are, else best_effort",
        choices=("auto", "best_effort", "reliable"),
    )
    max_targets: int = option(
        8, "Largest number of targets that are tracked at the same time", low=1, high=254, at_run_time=True
    )
    frame_buffer_s: float = option(
        3.0,
        "Images are buffered for this long, so that tracking can start on the image on which a box was drawn",
        low=0.0,
        high=30.0,
        unit="s",
    )
    frame_buffer_mb: int = option(
        96,
        "Largest memory for buffered images; the oldest images are dropped first",
        low=1,
        high=4096,
        unit="MB",
    )
    detection_class: str = option(
        "",
        "Class of the detections on ~/detections_in that may become the target; when empty, any class may",
        at_run_time=True,
    )
    detection_min_score: float = option(
        0.5,
        "Lowest score of a detection on ~/detections_in that may become the target",
        low=0.0,
        high=1.0,
        at_run_time=True,
    )
    no_image_warning_s: float = option(
        5.0,
        "Log a warning whenever no image has arrived for this long",
        low=0.5,
        high=3600.0,
        unit="s",
        at_run_time=True,
    )
    tracking: LongTermConfig = part(LongTermConfig, at_run_time=True)
    pose: PoseOptions = part(PoseOptions)
