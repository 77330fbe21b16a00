"""The network in torch, needed only for training and export: tracking runs the exported graphs."""
