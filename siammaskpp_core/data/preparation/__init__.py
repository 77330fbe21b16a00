"""Preparation of the original data sets: their annotations become the index that training reads."""
