"""Parallel searches for two targets, each with half of the threads."""

import numpy as np
import pytest

from siammaskpp_core.engines import graph_engine as graphs
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine
from siammaskpp_core.engines.options import CPU_ENGINES, EngineOptions
from siammaskpp_core.model.folder import read_model

MODEL = read_model(DEFAULT_MODEL)


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setattr(graphs, "allowed_cores", lambda: [0, 1])


@pytest.fixture(scope="module")
def crops() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple(rng.integers(0, 256, (5, size, size, 3), dtype=np.uint8) for size in (127, 255))


def recorded(engine, monkeypatch) -> list[tuple[str, int, int]]:
    """(graph, number of targets, number of the first one) of every run from now on."""
    calls = []
    run, run_pair = engine.run, engine.run_pair

    def on_run(graph, inputs, target=0):
        calls.append((graph, 1, target))
        return run(graph, inputs, target)

    def on_run_pair(graph, inputs, target=0):
        calls.append((graph, len(inputs), target))
        return run_pair(graph, inputs, target)

    monkeypatch.setattr(engine, "run", on_run)
    monkeypatch.setattr(engine, "run_pair", on_run_pair)
    return calls


@pytest.mark.parametrize("name", CPU_ENGINES)
@pytest.mark.parametrize("count", [2, 5])
def test_every_target_gets_its_own_answer(name, count, crops, monkeypatch):
    pytest.importorskip(name)
    engine = load_engine(MODEL, EngineOptions(name))
    kernels = list(engine.encode_template(crops[0]))[:count]
    cells = [(12, 12), (0, 24), (24, 3), (7, 8), (2, 2)][:count]
    expected, masks = [], []
    for crop, kernel, cell in zip(crops[1], kernels, cells, strict=False):
        (answer,) = engine.search(crop[None], [kernel])
        expected.append({key: value.copy() for key, value in answer._asdict().items()})
        masks.append(engine.refine([answer], [cell])[0])
    calls = recorded(engine, monkeypatch)
    answers = engine.search(crops[1][:count], kernels)
    np.testing.assert_allclose(engine.refine(answers, cells), masks, atol=1e-4)
    for answer, reference in zip(answers, expected, strict=True):
        for key, value in reference.items():
            np.testing.assert_allclose(getattr(answer, key), value, atol=1e-4 * np.abs(value).max())
    alone = [(1, 4)] if count == 5 else []
    pairs = [(2, first) for first in range(0, count - 1, 2)]
    assert calls == [("search", *share) for share in pairs + alone] + [("refine", 1, 0)] * count


@pytest.mark.parametrize(("threads", "per_target"), [(0, 1), (1, 0), (2, 1), (8, 1)])
def test_threads_per_target(threads, per_target, crops, monkeypatch):
    engine = load_engine(MODEL, EngineOptions(threads=threads))
    assert engine.threads_per_target == per_target
    calls = recorded(engine, monkeypatch)
    engine.search(crops[1][:2], list(engine.encode_template(crops[0]))[:2])
    shares = [("search", 2, 0)] if per_target else [("search", 1, 0), ("search", 1, 1)]
    assert calls[-len(shares) :] == shares


def test_a_core_left_over_pairs_nothing(monkeypatch):
    monkeypatch.setattr(graphs, "allowed_cores", lambda: [0, 1, 2])
    assert load_engine(MODEL).threads_per_target == 0


def test_without_targets_nothing_runs(crops):
    engine = load_engine(MODEL)
    assert engine.search(crops[1][:0], []) == []
    assert engine.refine([], []).shape == (0, 127, 127)


def test_sessions_for_pairs_are_opened_when_there_is_a_pair(crops, monkeypatch):
    engine = load_engine(MODEL)
    kernels = list(engine.encode_template(crops[0]))
    opened = []
    open_session = engine._open
    monkeypatch.setattr(engine, "_open", lambda *a: opened.append(a[:2]) or open_session(*a))
    engine.search(crops[1][:1], kernels[:1])
    assert opened == []
    for _ in range(2):
        engine.search(crops[1][:3], kernels[:3])
    assert opened == [("search", 1)] * 2


def test_an_error_in_either_search_is_raised(crops):
    engine = load_engine(MODEL)
    kernels = list(engine.encode_template(crops[0]))[:2]
    for wrong in ([kernels[0], kernels[1][:-1]], [kernels[0][:-1], kernels[1]]):
        with pytest.raises(Exception, match="kernels"):
            engine.search(crops[1][:2], wrong)
    assert len(engine.search(crops[1][:2], kernels)) == 2
