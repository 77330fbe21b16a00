"""Precision, threads and buffers of the engines, and the references of the benchmark."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from model_folders import SMALL

from siammaskpp_core.config import ConfigError
from siammaskpp_core.engines.export.fusion import fused
from siammaskpp_core.engines.load import load_engine, load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import read_model
from siammaskpp_core.network.protocol import EngineError
from siammaskpp_core.network.siammaskpp import SiamMaskPP

RUNTIMES = ("onnxruntime", "openvino")
BF16 = EngineOptions("openvino", precision="bf16")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(models) -> Path:
    return models("small").folder


@pytest.fixture(scope="module")
def crops() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple(rng.integers(0, 256, (2, size, size, 3), dtype=np.uint8) for size in (127, 255))


# In a process of its own: OpenVINO with a chosen number of threads and the native library of the VOT
# toolkit's protocol in one process end it with a segmentation fault, sooner or later.
SAME_ANSWER = """
import json, sys
from pathlib import Path
import numpy as np
from siammaskpp_core.engines.load import load_engine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import read_model

folder, name, choices = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
rng = np.random.default_rng(0)
template, search = (rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8) for side in (127, 255))
model = read_model(folder)
plain = load_engine(model, EngineOptions(name))
kernels = plain.encode_template(template)
(expected,) = plain.search(search, [kernels[0]])
for options in choices:
    chosen = load_engine(model, EngineOptions(name, **options))
    np.testing.assert_allclose(chosen.encode_template(template), kernels, rtol=1e-3, atol=1e-4)
    (own,) = chosen.search(search, [kernels[0]])
    np.testing.assert_allclose(own.cls, expected.cls, rtol=1e-3, atol=1e-4)
    print("the same", options)
"""


@pytest.mark.parametrize("name", RUNTIMES)
def test_threads_change_no_answer(folder, name):
    pytest.importorskip(name)
    choices = [{"threads": 1}, {"threads": 2, "cpu_affinity": True}, {"cpu_affinity": True}]
    command = [sys.executable, "-c", SAME_ANSWER, str(folder), name, json.dumps(choices)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    same = "".join(f"the same {options}\n" for options in choices)
    assert (ended.returncode, ended.stdout) == (0, same), ended.stderr


def test_bfloat16_is_near_and_not_equal(folder, crops):
    openvino = pytest.importorskip("openvino")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(EngineError, match="no bfloat16"):
            load_engine(read_model(folder), BF16)
        pytest.skip("no bfloat16 on this processor")
    exact = load_engine(read_model(folder), EngineOptions("openvino")).encode_template(crops[0])
    rounded = load_engine(read_model(folder), BF16).encode_template(crops[0])
    error = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
    assert 1e-4 < error < 0.3  # noise grows in a network that was not trained


def test_a_precision_that_the_engine_lacks(folder):
    with pytest.raises(EngineError, match="siammaskpp quantise"):
        load_tracker(folder, EngineOptions(precision="bf16"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"engine": "caffe"}, "'caffe' is not one of onnxruntime, openvino, tensorrt, auto"),
        ({"precision": "fp8"}, "'fp8' is not one of fp32, fp16, bf16"),
        ({"threads": -1}, "outside"),
    ],
)
def test_unknown_choices_say_what_there_is(values, message):
    with pytest.raises(ConfigError, match=message):
        EngineOptions(**values)


@pytest.mark.parametrize("name", RUNTIMES)
def test_buffers_are_kept_and_targets_have_their_own(folder, crops, name):
    pytest.importorskip(name)
    engine = load_engine(read_model(folder), EngineOptions(name))
    kernels = engine.encode_template(crops[0])
    first, second = engine.search(crops[1], list(kernels))
    assert not np.shares_memory(first.stride2, second.stride2)
    if name == "openvino":
        again, _ = engine.search(crops[1], list(kernels))
        assert np.shares_memory(first.stride2, again.stride2)


def test_fusion_is_the_same_function(network, crops):
    """The levels have different weights, and the heads have biases."""
    composed = fused(network)
    vector = torch.randn(2, 3 * SMALL.head_channels, 1, 1)
    with torch.no_grad():
        kernels = network.template(torch.from_numpy(crops[0]))
        expected, features = network.search(torch.from_numpy(crops[1]), kernels)
        own, _ = composed.search(torch.from_numpy(crops[1]), kernels)
        place = [torch.tensor(value) for value in ([0, 1], [12, 3], [12, 20])]
        masks = network.masks_at(expected._replace(mask=vector.expand(-1, -1, 25, 25)), features, *place)
        again = composed.masks_at(expected._replace(mask=vector.expand(-1, -1, 25, 25)), features, *place)
    torch.testing.assert_close(own.cls, expected.cls, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(own.loc, expected.loc, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(again, masks, rtol=1e-4, atol=1e-5)


def test_the_mask_vector_is_composed_only_where_that_saves_weights():
    def refine_weights(network: SiamMaskPP) -> int:
        return sum(value.numel() for module in network.mask_modules()[-2:] for value in module.parameters())

    for channels, saves in ((64, True), (16, False)):
        network = SiamMaskPP(replace(SMALL, mask_channels=channels))
        assert (refine_weights(fused(network)) < 0.9 * refine_weights(network)) == saves
