"""siammaskpp_ros/follow/simulation."""
