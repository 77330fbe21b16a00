"""The topics and services of every node of this package.

The pages in docs/nodes are written from these tables (:mod:`tools.node_docs`), and a test compares the tables
with the running nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_ros.demo.camera import DemoCameraConfig
from siammaskpp_ros.demo.client import ClientConfig
from siammaskpp_ros.follow.control import FollowConfig
from siammaskpp_ros.follow.simulation.robot import SimConfig
from siammaskpp_ros.tracker.parameters import NodeConfig
from siammaskpp_ros.web.node import WebConfig

TRACKER = "tracker_node"


@dataclass(frozen=True)
class Endpoint:
    """A topic or service: its name in the code, its type, its purpose, and when it exists."""

    name: str
    type: str
    text: str
    condition: str = ""
    """Empty for a topic or service that always exists."""


@dataclass(frozen=True)
class Interface:
    """A node: its executable, its purpose, its topics and services, and the class of its parameters."""

    node: str
    summary: str
    config: type
    subscribed: tuple[Endpoint, ...] = ()
    published: tuple[Endpoint, ...] = ()
    offered: tuple[Endpoint, ...] = ()
    called: tuple[Endpoint, ...] = ()
    notes: str = ""


_IMAGE, _OBJECTS = "sensor_msgs/msg/Image", "siammaskpp/msg/TrackedObjectArray"
_STATUS, _POSE = "siammaskpp/msg/TrackerStatus", "geometry_msgs/msg/PoseStamped"
_TRACKED_POSES = "siammaskpp/msg/TrackedPoseArray"
_POINT = "geometry_msgs/msg/Point"
_SET, _REMOVE = "siammaskpp/srv/SetTarget", "siammaskpp/srv/RemoveTarget"
_RENAME = "siammaskpp/srv/RenameTarget"
_ACTIVE, _CONFIGURED = "while active", "once configured"
UNCONDITIONAL = ("", _ACTIVE, _CONFIGURED)
"""Conditions that hold for every node that is started with default parameters."""
_CMD_VEL = (
    Endpoint("cmd_vel", "geometry_msgs/msg/Twist", "Velocity command", "`enable_stamped_cmd_vel: false`"),
    Endpoint(
        "cmd_vel",
        "geometry_msgs/msg/TwistStamped",
        "Velocity command with a stamp",
        "`enable_stamped_cmd_vel: true`",
    ),
)

_TRACKER = Interface(
    TRACKER,
    "Tracks targets in the images of one camera. Masks, boxes, track states and poses have the stamp and the "
    "frame id of their image.",
    NodeConfig,
    subscribed=(
        Endpoint("image", _IMAGE, "Images of the camera, unless `compressed` is true", _ACTIVE),
        Endpoint(
            "image/compressed",
            "sensor_msgs/msg/CompressedImage",
            "JPEG or PNG images of the camera",
            "while active, with `compressed: true`",
        ),
        Endpoint(
            "camera_info",
            "sensor_msgs/msg/CameraInfo",
            "The camera's calibration, which poses need; by default the topic next to the images",
            _ACTIVE,
        ),
        Endpoint(
            "depth",
            _IMAGE,
            "Depth images that are registered to the colour images: 16UC1 in mm or 32FC1 in m",
            "while active, with `depth: true`",
        ),
        Endpoint(
            "~/set_box",
            "siammaskpp/msg/TargetBox",
            "Sets a target as `~/set_target` does, without an answer",
            _ACTIVE,
        ),
        Endpoint(
            "image_mouse_left",
            _POINT,
            "Clicks of rqt_image_view on the images: the object at a click becomes the target; the topic is "
            "remapped together with `image`",
            _ACTIVE,
        ),
        Endpoint("~/overlay_mouse_left", _POINT, "Clicks of rqt_image_view on the overlay images", _ACTIVE),
        Endpoint(
            "~/detections_in",
            "vision_msgs/msg/Detection2DArray",
            "Detections, the best of which becomes the target while there is no target, or while the target "
            "with the id `target` is LOST",
            "while active, where vision_msgs is installed",
        ),
    ),
    published=(
        Endpoint(
            "~/tracked_objects",
            _OBJECTS,
            "Id, label, track state, score, box and rotated box of every target: one message for every "
            "processed image",
            _CONFIGURED,
        ),
        Endpoint("~/mask", _IMAGE, "Masks of all targets that are seen: mono8, 255 on a target", _CONFIGURED),
        Endpoint(
            "~/labels",
            _IMAGE,
            "Masks as in `~/mask`, each with the `mask_value` of its target",
            _CONFIGURED,
        ),
        Endpoint(
            "~/overlay",
            _IMAGE,
            "Results drawn on the image, bgr8; published only if there are subscribers",
            _CONFIGURED,
        ),
        Endpoint(
            "~/timing",
            "siammaskpp/msg/FrameTiming",
            "Duration of every stage of processing an image; published only if there are subscribers",
            _CONFIGURED,
        ),
        Endpoint(
            "~/pose",
            "geometry_msgs/msg/PoseWithCovarianceStamped",
            "Pose of the target `pose_target`, or of the one that was set first, in the camera's optical "
            "frame, with covariance; nothing is published while the target is not visible",
            _CONFIGURED,
        ),
        Endpoint(
            "~/target_pose",
            _POSE,
            "Pose as on `~/pose`, but without covariance, for example for Nav2's following server",
            _CONFIGURED,
        ),
        Endpoint(
            "~/tracked_poses",
            _TRACKED_POSES,
            "Id and pose, with covariance, of every target that has a pose",
            _CONFIGURED,
        ),
        Endpoint(
            "~/velocity",
            "geometry_msgs/msg/TwistStamped",
            "Velocity of that target relative to the camera",
            _CONFIGURED,
        ),
        Endpoint(
            "~/bearing",
            "geometry_msgs/msg/Vector3Stamped",
            "Unit vector towards that target, which needs no depth",
            _CONFIGURED,
        ),
        Endpoint(
            "~/points", "sensor_msgs/msg/PointCloud2", "Measured points (x, y, z) on that target", _CONFIGURED
        ),
        Endpoint(
            "~/markers",
            "visualization_msgs/msg/MarkerArray",
            "Boxes, labels and velocities of all targets, for rviz",
            _CONFIGURED,
        ),
        Endpoint(
            "~/detections",
            "vision_msgs/msg/Detection2DArray",
            "Rotated boxes of all visible targets",
            "once configured, where vision_msgs is installed",
        ),
        Endpoint(
            "~/detections_3d",
            "vision_msgs/msg/Detection3DArray",
            "Three-dimensional boxes of all targets with a pose",
            "once configured, where vision_msgs is installed",
        ),
        Endpoint(
            "/tf",
            "tf2_msgs/msg/TFMessage",
            "Transforms from the camera's optical frame to `tracker_node/<id>` for every target with a pose",
            "once configured, with `publish_tf: true`",
        ),
        Endpoint("~/status", _STATUS, "State of the node, counts of images, rate and latency; once a second"),
        Endpoint(
            "/diagnostics",
            "diagnostic_msgs/msg/DiagnosticArray",
            "Status for robot monitors, with the topic of the camera and its incompatible publishers",
        ),
        Endpoint(
            "~/transition_event", "lifecycle_msgs/msg/TransitionEvent", "Changes of the lifecycle state"
        ),
    ),
    offered=(
        Endpoint(
            "~/set_target",
            _SET,
            "Starts to track the object in a box, on the image on which the box was drawn if the request has "
            "its header",
        ),
        Endpoint("~/remove_target", _REMOVE, "Removes one target, or all of them"),
        Endpoint("~/rename_target", _RENAME, "Gives a target another label"),
    ),
    notes="The node has a lifecycle; with `autostart: false` it waits for `ros2 lifecycle set /tracker_node "
    "configure` and `activate`. Deactivation keeps the targets; cleanup releases them and the network.",
)

_FOLLOWER = Interface(
    "follower",
    "Drives the robot after one target: its pose in, `cmd_vel` out. See [following.md](../following.md).",
    FollowConfig,
    subscribed=(
        Endpoint(
            f"{TRACKER}/tracked_poses",
            _TRACKED_POSES,
            "Poses of all targets, by their ids, in the camera's optical frame",
        ),
        Endpoint(
            f"{TRACKER}/tracked_objects",
            _OBJECTS,
            "Track states of all targets: TRACKING, UNCERTAIN or LOST",
        ),
    ),
    published=_CMD_VEL,
)

_WEB = Interface(
    "web_selector",
    "A web page to select targets on a robot without a screen. See [web_selector.md](../web_selector.md).",
    WebConfig,
    subscribed=(
        Endpoint("image", _IMAGE, "Images of the camera, unless `compressed`", "while a page is open"),
        Endpoint(
            "image/compressed",
            "sensor_msgs/msg/CompressedImage",
            "JPEG or PNG images of the camera",
            "while a page is open, with `compressed: true`",
        ),
        Endpoint(f"{TRACKER}/labels", _IMAGE, "Masks to draw on the images", "while a page is open"),
        Endpoint(
            f"{TRACKER}/tracked_objects", _OBJECTS, "Boxes, labels and track states", "while a page is open"
        ),
        Endpoint(f"{TRACKER}/status", _STATUS, "State and message of the tracker"),
    ),
    called=(
        Endpoint(f"{TRACKER}/set_target", _SET, "Called when a box is drawn"),
        Endpoint(f"{TRACKER}/remove_target", _REMOVE, "Called when a target is removed"),
        Endpoint(f"{TRACKER}/rename_target", _RENAME, "Called when a target gets another label"),
    ),
    notes="`tracker_node` stands for the name in the parameter `tracker`.",
)

_DEMO_CAMERA = Interface(
    "demo_camera",
    "A camera that plays a video, a folder of images or a webcam.",
    DemoCameraConfig,
    published=(Endpoint("image", _IMAGE, "bgr8, stamped with the time of publishing"),),
)

_DEMO_CLIENT = Interface(
    "demo_client",
    "Selects a target in the first image and records overlay, boxes and speed until no more images arrive.",
    ClientConfig,
    subscribed=(
        Endpoint("image", _IMAGE, "Images of the camera; the box was drawn on the first one"),
        Endpoint(f"{TRACKER}/overlay", _IMAGE, "Overlay images, recorded as a video"),
        Endpoint(f"{TRACKER}/tracked_objects", _OBJECTS, "Results, recorded as a table"),
        Endpoint(f"{TRACKER}/status", _STATUS, "Counts of images, rate and latency"),
    ),
    called=(Endpoint(f"{TRACKER}/set_target", _SET, "Called once, with the box"),),
    notes="`tracker_node` stands for the name in the parameter `tracker`.",
)

_SIM_ROBOT = Interface(
    "sim_robot",
    "A simulated robot with a depth camera and a person who walks in front of it, to try the follower.",
    SimConfig,
    subscribed=(
        *_CMD_VEL,
        Endpoint(
            f"{TRACKER}/tracked_objects",
            _OBJECTS,
            "Results; they show that the tracker has processed an image",
        ),
        Endpoint(
            f"{TRACKER}/target_pose", _POSE, "Poses; they show that the pose of an image has been computed"
        ),
    ),
    published=(
        Endpoint("/clock", "rosgraph_msgs/msg/Clock", "Simulated time; other nodes need `use_sim_time`"),
        Endpoint("image", _IMAGE, "Images of the camera, bgr8"),
        Endpoint("depth", _IMAGE, "Depth registered to the images"),
        Endpoint("camera_info", "sensor_msgs/msg/CameraInfo", "Calibration of the camera"),
        Endpoint("~/robot_pose", _POSE, "True pose of the robot"),
        Endpoint("~/person_pose", _POSE, "True pose of the person"),
        Endpoint("~/top_view", _IMAGE, "Robot, person and their paths, drawn from above"),
    ),
    called=(
        Endpoint(f"{TRACKER}/set_target", _SET, "Called with the person's box when `select_person` is true"),
    ),
)

INTERFACES = (_TRACKER, _FOLLOWER, _WEB, _DEMO_CAMERA, _DEMO_CLIENT, _SIM_ROBOT)
