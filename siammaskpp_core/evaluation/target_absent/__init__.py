"""siammaskpp_core/evaluation/target_absent."""
