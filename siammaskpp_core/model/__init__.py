"""Model folders: description, ONNX graphs and torch weights."""
