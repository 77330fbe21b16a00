"""From pictures with masks to weights."""
