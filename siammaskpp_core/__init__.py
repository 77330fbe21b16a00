"""SiamMask++ without ROS: network, engines, tracking, training, evaluation and the `siammaskpp` command."""

import os

# ONNX Runtime 1.32 and newer would write a device id and a database into the home folder and send reports.
# The variable is read when onnxruntime is imported; 0 keeps the reports.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
