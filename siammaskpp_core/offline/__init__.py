"""Track one object through a recording: a video, a folder of images or a ROS 2 bag."""
