"""Speed of the tracker: time of each stage, arithmetic of the networks, peak rate of the engines."""
