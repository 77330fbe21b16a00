"""siammaskpp_core/engines."""
