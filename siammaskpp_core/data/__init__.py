"""Data sets: annotated sequences, sources of training objects, and preparation of large data sets."""
