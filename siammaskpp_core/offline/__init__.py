"""siammaskpp_core/offline."""
