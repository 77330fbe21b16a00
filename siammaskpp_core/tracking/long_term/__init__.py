"""Long-term tracking: track states, motion and re-detection on top of the one-step tracker."""
