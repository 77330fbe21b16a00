"""siammaskpp_core/tracking/long_term."""
