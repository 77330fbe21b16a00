"""Training of all networks of the family, on one CPU or on many GPUs."""
