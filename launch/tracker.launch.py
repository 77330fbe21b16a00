"""Start the tracker node: ros2 launch siammaskpp tracker.launch.py image:=/camera/image_raw.

Where an argument is empty, the value in the parameter file applies. When the tracker fails, the launch ends
with exit code 1.
"""

import re
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from siammaskpp_ros.common.processes import end_if_failed

_CONFIG = Path(get_package_share_directory("siammaskpp")) / "config"
_TRUE_OR_FALSE = {"true": True, "false": False}


def generate_launch_description() -> LaunchDescription:
    """Return the arguments (shown by --show-args) and the nodes."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("image", default_value="image", description="Topic of the camera images"),
            DeclareLaunchArgument(
                "compressed",
                default_value="",
                choices=["", "true", "false"],
                description="Subscribe to compressed images on <image>/compressed",
            ),
            DeclareLaunchArgument(
                "depth",
                default_value="",
                description="Topic of depth images, registered to the camera images, for poses",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=str(_CONFIG / "tracker.yaml"),
                description="Parameter file of the tracker node",
            ),
            DeclareLaunchArgument(
                "engine",
                default_value="",
                description="Engine for the network: onnxruntime, openvino, tensorrt or auto",
            ),
            DeclareLaunchArgument(
                "model", default_value="", description="Model folder; empty: the default weights"
            ),
            DeclareLaunchArgument(
                "namespace", default_value="", description="Namespace of the node and its topics"
            ),
            DeclareLaunchArgument(
                "autostart",
                default_value="",
                choices=["", "true", "false"],
                description="Configure and activate at start; false: wait for lifecycle commands",
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value="false",
                choices=["true", "false"],
                description="Start rviz2 with images, poses and markers (apt: ros-<distro>-rviz2)",
            ),
            DeclareLaunchArgument(
                "required",
                default_value="true",
                choices=["true", "false"],
                description="End the launch with exit code 1 when the tracker fails; false: others go on",
            ),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[Node]:
    given = {
        name: LaunchConfiguration(name).perform(context)
        for name in (
            "image",
            "depth",
            "params_file",
            "namespace",
            "rviz",
            "compressed",
            "autostart",
            "engine",
            "model",
            "required",
        )
    }
    overrides = {name: given[name] for name in ("engine", "model") if given[name]}
    overrides |= {name: _TRUE_OR_FALSE[given[name]] for name in ("compressed", "autostart") if given[name]}
    remappings = [("image", given["image"])]
    if given["depth"]:
        overrides["depth"] = True
        remappings.append(("depth", given["depth"]))
    tracker = Node(
        package="siammaskpp",
        executable="tracker_node",
        name="tracker_node",
        namespace=given["namespace"],
        parameters=[given["params_file"], overrides],
        remappings=remappings,
        output="screen",
        on_exit=end_if_failed if given["required"] == "true" else None,
    )
    is_rviz_shown = given["rviz"] == "true" and _has_rviz()
    return [tracker, _rviz(given["image"], given["namespace"])] if is_rviz_shown else [tracker]


def _has_rviz() -> bool:
    """Return whether rviz2 is installed; an error is logged if not.

    A Node of a package that is missing would end the launch while other processes start, which it then
    leaves behind: the tracker runs without rviz2 instead.
    """
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        get_logger("tracker.launch.py").error(
            "rviz2 is not installed, the tracker runs without it: sudo apt install ros-$ROS_DISTRO-rviz2"
        )
        return False
    return True


def _rviz(image: str, namespace: str) -> Node:
    """Return rviz2, with the topics in tracker.rviz (which are absolute) remapped to those of the tracker."""
    prefix = "/" + namespace.strip("/") if namespace.strip("/") else ""
    config = _CONFIG / "tracker.rviz"
    topics = re.findall(r"Value: (/tracker_node/\w+)", config.read_text(encoding="utf-8"))
    remapped = [(topic, prefix + topic) for topic in topics]
    camera = image if image.startswith("/") else f"{prefix}/{image}"
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(config)],
        remappings=[*remapped, ("/image", camera)],
    )
