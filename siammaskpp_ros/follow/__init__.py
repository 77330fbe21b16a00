"""siammaskpp_ros/follow."""
