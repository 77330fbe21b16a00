"""Accuracy and speed on sequences with a truth, next to other trackers; see docs/evaluation.md."""
