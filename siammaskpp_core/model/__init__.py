"""siammaskpp_core/model."""
