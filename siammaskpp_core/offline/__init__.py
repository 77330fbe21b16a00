"""Track one object through a recording: a video, a folder of images or a ROS 2 bag."""

TARGET_ID = "target"
"""Id of the only target in the outputs; the node uses the same id when none is given."""
