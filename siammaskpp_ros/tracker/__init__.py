"""siammaskpp_ros/tracker."""
