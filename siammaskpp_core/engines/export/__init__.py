"""Export of networks to model folders: ONNX graphs, checked against torch, in float32 or int8."""
