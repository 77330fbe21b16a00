"""siammaskpp_core/io."""
