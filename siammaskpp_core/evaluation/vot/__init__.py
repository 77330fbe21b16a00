"""siammaskpp_core/evaluation/vot."""
