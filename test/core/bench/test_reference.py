"""The reference implementation as an engine."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from siammaskpp_core.bench.reference import ReferenceEngine
from siammaskpp_core.engines.export.onnx import write_model
from siammaskpp_core.engines.load import load_engine
from siammaskpp_core.model.folder import ModelError, read_model
from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.tracking import TrackingConfig


def test_the_reference_implementation_gives_the_same_answers(folder):
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (2, side, side, 3), dtype=np.uint8) for side in (127, 255)]
    reference, engine = ReferenceEngine(folder), load_engine(read_model(folder))
    kernels, templates = engine.encode_template(crops[0]), reference.encode_template(crops[0])
    own = engine.search(crops[1], list(kernels))
    expected = reference.search(crops[1], list(templates))
    for mine, other in zip(own, expected, strict=True):
        np.testing.assert_allclose(mine.cls, other.cls, atol=1e-3 * np.abs(other.cls).max())
        np.testing.assert_allclose(mine.loc, other.loc, atol=1e-3 * np.abs(other.loc).max())
    assert expected[0].mask.shape == (64, 25, 25)
    cells = [(12, 12), (0, 24)]
    np.testing.assert_allclose(engine.refine(own, cells), reference.refine(expected, cells), atol=1e-3)


def test_the_reference_implementation_is_of_one_kind_of_network(network, tmp_path):
    write_model(SiamMaskPP(replace(network.config, mask="none")).eval(), TrackingConfig(), tmp_path)
    with pytest.raises(ModelError, match=r"SiamMask\+\+ \(re\) only"):
        ReferenceEngine(tmp_path)
    with pytest.raises(ModelError, match=r"weights\.pt is missing"):
        ReferenceEngine(tmp_path / "nothing")
