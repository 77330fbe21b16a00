"""Accuracy and speed on annotated sequences, beside baselines; see docs/evaluation.md."""
