"""siammaskpp_ros/common."""
