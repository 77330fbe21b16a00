"""siammaskpp_core/data/sources."""
