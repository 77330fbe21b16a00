"""A measurement of the peak rate that takes no time."""

import pytest


@pytest.fixture
def quick_peak(monkeypatch):
    """Measure the peak rate with two rounds of small convolutions: what it is does not matter here."""
    pytest.importorskip("onnx")
    from siammaskpp_core.bench import operations

    monkeypatch.setattr(operations, "_SIDE", 16)
    monkeypatch.setattr(operations, "_ROUNDS", 2)
