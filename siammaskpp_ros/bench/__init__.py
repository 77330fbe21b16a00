"""siammaskpp_ros/bench."""
