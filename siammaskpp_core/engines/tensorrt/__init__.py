"""siammaskpp_core/engines/tensorrt."""
