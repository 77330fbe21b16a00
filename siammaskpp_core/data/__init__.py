"""siammaskpp_core/data."""
