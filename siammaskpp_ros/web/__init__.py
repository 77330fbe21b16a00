"""siammaskpp_ros/web."""
