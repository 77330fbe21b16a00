"""From data sets as they are published to the index that training reads."""
