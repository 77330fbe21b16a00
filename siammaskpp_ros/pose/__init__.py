"""Poses of the tracked targets: depth and calibration in, geometry_msgs, vision_msgs and transforms out."""
