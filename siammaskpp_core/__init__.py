"""SiamMask++ without ROS: network, engines, tracking, training, evaluation and the `siammaskpp` command."""

import os

# ONNX Runtime 1.32 and newer would write a device id and a database into the home folder and send reports.
# The variable is read when onnxruntime is imported; 0 keeps the reports.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# A file of a few kB can stand for an image of gigabytes. OpenCV reads its limit when it is imported.
_limit = os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))
MAX_IMAGE_PIXELS = int(_limit) if _limit.isdecimal() else 2**27
