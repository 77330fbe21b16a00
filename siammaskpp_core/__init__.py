"""SiamMask++ without ROS: network, engines, tracking, training, evaluation and the `siammaskpp` command."""
