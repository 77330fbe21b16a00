"""Start the tracker and a camera that plays a video.

ros2 launch siammaskpp demo.launch.py video:=FILE rviz:=true

Then select a target by its box in the newest image, for example:
ros2 service call /tracker_node/set_target siammaskpp/srv/SetTarget "{box: {x: 9, y: 9, width: 9, height: 9}}"
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from siammaskpp_ros.common.processes import end_if_failed


def generate_launch_description() -> LaunchDescription:
    """Return the camera, its argument, and tracker.launch.py with all of its arguments."""
    tracker = Path(get_package_share_directory("siammaskpp")) / "launch" / "tracker.launch.py"
    video = ParameterValue(LaunchConfiguration("video"), value_type=str)
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "video", default_value="0", description="Video file, folder of images, or index of a webcam"
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(tracker))),
            Node(
                package="siammaskpp",
                executable="demo_camera",
                namespace=LaunchConfiguration("namespace"),
                parameters=[{"video": video, "loop": True, "wait_for_subscribers": 1}],
                remappings=[("image", LaunchConfiguration("image"))],
                output="screen",
                on_exit=end_if_failed,
            ),
        ]
    )
