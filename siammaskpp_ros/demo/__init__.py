"""siammaskpp_ros/demo."""
