"""The appearance model on features made by program: channels with a random pattern for each object."""

import numpy as np
import pytest

from siammaskpp_core.tracking.long_term.appearance import AppearanceModel, learn, respond, update

SIZE = (6.0, 8.0)
RNG = np.random.default_rng(5)
TARGET, OTHER = RNG.normal(size=(2, 40, 8, 6)).astype(np.float32) * 2


def features(
    target: tuple[int, int] | None, other: tuple[int, int] | None = None, seed: int = 0
) -> np.ndarray:
    """Features [40, 31, 31] with the two objects around points (x, y) relative to the centre."""
    result = np.random.default_rng(seed).normal(0, 0.3, (40, 31, 31)).astype(np.float32)
    for point, pattern in ((target, TARGET), (other, OTHER)):
        if point is not None:
            left, top = 15 + point[0] - 3, 15 + point[1] - 4
            result[:, top : top + 8, left : left + 6] += pattern
    return result


@pytest.fixture(scope="module")
def model() -> AppearanceModel:
    return learn(features((0, 0)), SIZE)


def test_it_responds_at_the_target(model):
    response = respond(model, features((0, 0)))
    assert response.values.shape == (25, 25)
    assert response.at((0, 0)) > 0.9
    moved = respond(model, features((4, -3), seed=1))
    assert np.unravel_index(moved.values.argmax(), (25, 25)) == (12 - 3, 12 + 4)
    assert moved.at((4, -3)) > 0.8


def test_it_does_not_respond_to_another_object_or_to_nothing(model):
    assert respond(model, features(None, (0, 0), seed=2)).at((0, 0)) < 0.4
    assert respond(model, features(None, seed=3)).at((0, 0)) < 0.2


def test_an_object_nearby_is_learned_as_background():
    """It resembles the target at first: half of its pattern is the target's."""
    alike = features((0, 0), seed=4)
    alike[:, 11:19, 20:26] += (TARGET + OTHER) / 2
    model = learn(features((0, 0)), SIZE)
    before = respond(model, alike).at((8, 0))
    for _ in range(20):
        model = update(model, respond(model, alike), (0, 0), SIZE)
    after = respond(model, alike)
    assert after.at((8, 0)) < 0.75 * before
    assert after.at((0, 0)) > 0.8


def test_it_follows_a_change_of_the_target(model):
    """The target turns into another pattern over 60 images; an unchanged model would lose it."""
    for step in range(60):
        view = features((0, 0), seed=step)
        mixed = step / 60
        view[:, 11:19, 12:18] += mixed * (OTHER - TARGET)
        model = update(model, respond(model, view), (0, 0), SIZE)
    assert respond(model, view).at((0, 0)) > 0.7


def test_an_update_changes_no_model(model):
    weights, gram = model.weights.copy(), model.gram.copy()
    update(model, respond(model, features((0, 0), (8, 0))), (0, 0), SIZE)
    np.testing.assert_array_equal(model.weights, weights)
    np.testing.assert_array_equal(model.gram, gram)


def test_points_outside_the_response_take_its_border(model):
    response = respond(model, features((0, 0)))
    assert response.at((40, 0)) == pytest.approx(response.at((12, 0)))


def test_a_constant_channel_and_a_huge_target_are_no_error():
    flat = features((0, 0))
    flat[3] = 1.0
    model = learn(flat, (60.0, 60.0))
    assert np.isfinite(respond(model, flat).values).all()
