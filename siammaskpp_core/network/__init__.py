"""The network in torch. Needed for training and export only; tracking runs on its exported graphs."""
