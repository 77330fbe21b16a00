"""siammaskpp_core/engines/export."""
