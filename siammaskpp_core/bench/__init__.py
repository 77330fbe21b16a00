"""siammaskpp_core/bench."""
