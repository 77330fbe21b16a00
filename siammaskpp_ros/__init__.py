"""The ROS 2 side of siammaskpp: nodes, conversions and messages around the ROS-free siammaskpp_core."""
