"""Numbers of operations, and the peak rate of an engine."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from siammaskpp_core.bench.operations import PeakRate, count_operations
from siammaskpp_core.engines.export.fusion import fused
from siammaskpp_core.engines.options import EngineOptions


def test_operations_by_hand(tmp_path):
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, groups=1), torch.nn.Conv2d(8, 8, 1, groups=4), torch.nn.Flatten()
    )
    network = torch.nn.Sequential(layers, torch.nn.Linear(8 * 4 * 4, 5))
    torch.onnx.export(network, (torch.zeros(1, 3, 9, 9),), tmp_path / "a.onnx", dynamo=False)
    products = 16 * 8 * (3 * 3 * 3) + 16 * 8 * (8 // 4) + 128 * 5
    assert count_operations(tmp_path / "a.onnx") == 2 * products
    expand = torch.nn.ConvTranspose2d(6, 4, 15)
    torch.onnx.export(expand, (torch.zeros(1, 6, 1, 1),), tmp_path / "b.onnx", dynamo=False)
    assert count_operations(tmp_path / "b.onnx") == 2 * 6 * 4 * 15 * 15


def test_operations_are_those_of_torch(network, models):
    """The exported search has as many operations as torch counts when it runs the search."""
    from torch.utils.flop_counter import FlopCounterMode

    search = torch.zeros(1, 255, 255, 3, dtype=torch.uint8)
    composed = fused(network)
    with torch.no_grad():
        kernels = composed.template(search[:, :127, :127])
        with FlopCounterMode(display=False) as counter:
            composed.search(search, kernels)
    assert count_operations(models("small").graph("search")) == counter.get_total_flops()


@pytest.mark.usefixtures("quick_peak")
@pytest.mark.parametrize("is_int8", [False, True])
def test_the_peak_only_rises(is_int8):
    peak = PeakRate(EngineOptions(threads=1), is_int8)
    first = peak.measure()
    assert first > 1e8
    assert peak.measure() >= first
