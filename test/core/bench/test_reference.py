"""The reference implementation as an engine."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from siammaskpp_core.bench.reference import ReferenceEngine
from siammaskpp_core.engines.load import load_engine
from siammaskpp_core.model.folder import ModelError


def test_the_reference_implementation_gives_the_same_answers(models):
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (2, side, side, 3), dtype=np.uint8) for side in (127, 255)]
    model = models("small")
    reference, engine = ReferenceEngine(model.folder), load_engine(model)
    kernels, templates = engine.encode_template(crops[0]), reference.encode_template(crops[0])
    own = engine.search(crops[1], list(kernels))
    expected = reference.search(crops[1], list(templates))
    for mine, other in zip(own, expected, strict=True):
        np.testing.assert_allclose(mine.cls, other.cls, atol=1e-3 * np.abs(other.cls).max())
        np.testing.assert_allclose(mine.loc, other.loc, atol=1e-3 * np.abs(other.loc).max())
    assert expected[0].mask.shape == (64, 25, 25)
    cells = [(12, 12), (0, 24)]
    np.testing.assert_allclose(engine.refine(own, cells), reference.refine(expected, cells), atol=1e-3)


def test_the_reference_implementation_is_of_one_kind_of_network(models, tmp_path):
    with pytest.raises(ModelError, match=r"SiamMask\+\+ \(re\) only"):
        ReferenceEngine(models("no masks").folder)
    with pytest.raises(ModelError, match=r"weights\.pt is missing"):
        ReferenceEngine(tmp_path / "nothing")
