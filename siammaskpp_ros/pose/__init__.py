"""siammaskpp_ros/pose."""
