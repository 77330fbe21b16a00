"""Tracking while somebody watches: point at objects, correct them in later frames, save; page and window."""
