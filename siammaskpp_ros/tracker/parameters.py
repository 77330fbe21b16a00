"""The tracker node's parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields

from siammaskpp_core.config import option
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.tracking import LongTermConfig
from siammaskpp_ros.pose.options import POSE_RUNTIME_PARAMETERS, PoseOptions


@dataclass(frozen=True)
class NodeOptions(EngineOptions):
    """Parameters that only the node has, and those of its engine."""

    autostart: bool = option(True, "Configure and activate at start; false: wait for lifecycle commands")
    model: str = option("", "Folder of the model; empty: the default weights of this package")
    compressed: bool = option(False, "Subscribe to sensor_msgs/CompressedImage on image/compressed")
    image_reliability: str = option(
        "auto",
        "Reliability asked of the camera; auto: reliable when all its publishers are, else best_effort",
        choices=("auto", "best_effort", "reliable"),
    )
    max_targets: int = option(8, "Targets tracked at the same time", low=1, high=254)
    frame_buffer_s: float = option(
        1.0,
        "How long images are remembered for set_target requests with a stamp",
        low=0.0,
        high=30.0,
        unit="s",
    )
    frame_buffer_mb: int = option(
        96, "Bound of the memory for these images; older ones go first", low=1, high=4096, unit="MB"
    )
    detection_class: str = option(
        "", "Class of the detections of ~/detections_in that may become the target; empty: any"
    )
    detection_min_score: float = option(0.5, "Their lowest score", low=0.0, high=1.0)
    no_image_warning_s: float = option(
        5.0, "Warn when no image came for so long", low=0.5, high=3600.0, unit="s"
    )


@dataclass(frozen=True)
class NodeConfig(PoseOptions, LongTermConfig, NodeOptions):
    """Parameters of the tracker node."""


# These act on the next image; all others are read when the node is configured.
RUNTIME_PARAMETERS = frozenset(
    {
        "max_targets",
        "detection_class",
        "detection_min_score",
        "no_image_warning_s",
        *(item.name for item in fields(LongTermConfig)),
        *POSE_RUNTIME_PARAMETERS,
    }
)
