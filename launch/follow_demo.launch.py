"""Let a simulated robot follow a person: ros2 launch siammaskpp follow_demo.launch.py.

Hide the person, so that the robot stops, or disable the follower:
ros2 param set /sim_robot hidden true
ros2 param set /follower enabled false
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from siammaskpp_ros.common.processes import end_if_failed

_CONFIG = Path(get_package_share_directory("siammaskpp")) / "config"


def generate_launch_description() -> LaunchDescription:
    """Return the arguments (shown by --show-args), the simulation, the tracker and the follower."""
    follower_file = str(_CONFIG / "follower.yaml")
    return LaunchDescription(
        [
            _argument("seed", "0", "Random seed of the person's path, the room and the camera's noise"),
            _argument("walking_speed_mps", "0.4", "Mean speed of the person in m/s"),
            _argument("duration_s", "0.0", "Simulated time in s after which the demo ends; 0: never"),
            _argument(
                "engine", "onnxruntime", "Engine for the network: onnxruntime, openvino, tensorrt or auto"
            ),
            _argument("follower_file", follower_file, "Parameter file of the follower"),
            # The default shared memory of Fast DDS is too small for these images.
            SetEnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", str(_CONFIG / "fastdds_images.xml")),
            Node(
                package="siammaskpp",
                executable="sim_robot",
                name="sim_robot",
                parameters=[
                    {"seed": _value("seed", int)},
                    {"walking_speed_mps": _value("walking_speed_mps", float)},
                    {"duration_s": _value("duration_s", float)},
                ],
                output="screen",
                on_exit=_end,
            ),
            Node(
                package="siammaskpp",
                executable="tracker_node",
                name="tracker_node",
                parameters=[
                    str(_CONFIG / "tracker.yaml"),
                    {"use_sim_time": True, "depth": True, "engine": _value("engine", str)},
                ],
                output="screen",
                on_exit=end_if_failed,
            ),
            Node(
                package="siammaskpp",
                executable="follower",
                name="follower",
                parameters=[LaunchConfiguration("follower_file"), {"use_sim_time": True, "enabled": True}],
                output="screen",
                on_exit=end_if_failed,
            ),
        ]
    )


def _end(event: ProcessExited, context: LaunchContext) -> list[Shutdown]:
    """End the launch with the simulation, and with exit code 1 when that has failed."""
    end_if_failed(event, context)
    return [Shutdown()]


def _argument(name: str, default: str, description: str) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(name, default_value=default, description=description)


def _value(name: str, kind: type) -> ParameterValue:
    return ParameterValue(LaunchConfiguration(name), value_type=kind)
