"""The default network on objects that are covered, leave the image and come back elsewhere."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.tracking import LongTermConfig, LongTermTracker, State, TrackResult
from siammaskpp_core.tracking.boxes import overlap

WIDTH, HEIGHT = 640, 480
PERIOD_NS = 100_000_000  # 10 images a second
COVERED = 10  # a second
WITHIN = 10
OBJECTS = 4


class Scene:
    """A ball with a pattern of its own before a blurred wall with a shelf, and a box that may cover it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        wall = self.rng.integers(40, 220, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        self.wall = cv2.GaussianBlur(cv2.resize(wall, (WIDTH, HEIGHT)), (0, 0), 6)
        for x in range(40, WIDTH, 90):
            colour = tuple(map(int, self.rng.integers(30, 200, 3)))
            cv2.rectangle(self.wall, (x, 400), (x + 50, 470), colour, -1)
        self.side = int(self.rng.integers(50, 110))
        coarse = self.rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        self.ball = cv2.resize(coarse, (self.side, self.side), interpolation=cv2.INTER_NEAREST)
        self.shape = np.zeros((self.side, self.side), np.uint8)
        cv2.circle(self.shape, (self.side // 2, self.side // 2), self.side // 2 - 1, 255, -1)

    def image(self, center: tuple[float, float] | None, covered: bool = False) -> np.ndarray:
        image = self.wall.copy()
        if center is not None:
            x, y, side, _ = map(round, self.box(center))
            left, top, right, bottom = max(x, 0), max(y, 0), min(x + side, WIDTH), min(y + side, HEIGHT)
            if left < right and top < bottom:
                part = np.s_[top - y : bottom - y, left - x : right - x]
                cv2.copyTo(self.ball[part], self.shape[part], image[top:bottom, left:right])
        if covered:
            cv2.rectangle(image, (150, 60), (460, 380), (125, 130, 128), -1)
        image = cv2.GaussianBlur(image, (0, 0), 0.8).astype(np.int16)
        return np.clip(image + self.rng.integers(-4, 5, image.shape), 0, 255).astype(np.uint8)

    def box(self, center: tuple[float, float]) -> tuple[float, float, float, float]:
        return center[0] - self.side / 2, center[1] - self.side / 2, self.side, self.side

    def elsewhere(self, than: tuple[float, float]) -> tuple[float, float]:
        while True:
            x, y = self.rng.uniform(self.side, WIDTH - self.side), self.rng.uniform(self.side, 360)
            if np.hypot(x - than[0], y - than[1]) > 2.5 * self.side:
                return x, y


class Follower:
    def __init__(self, tracker: LongTermTracker, scene: Scene, center: tuple[float, float]) -> None:
        self.tracker, self.scene, self.stamp_ns = tracker, scene, 10**9
        self.target, _ = tracker.init(scene.image(center), scene.box(center))

    def show(self, center: tuple[float, float] | None, covered: bool = False) -> tuple[State, bool]:
        """The state, and whether the object was found where it is."""
        result = self.result(center, covered)
        is_there = center is not None and float(overlap(result.box_xywh, self.scene.box(center))) > 0.5
        return self.target.state, self.target.is_seen and is_there

    def result(self, center: tuple[float, float] | None, covered: bool = False) -> TrackResult:
        self.stamp_ns += PERIOD_NS
        image = self.scene.image(center, covered)
        (result,) = self.tracker.step(image, [self.target], self.stamp_ns)
        return result

    def frames_until_found(self, center: tuple[float, float]) -> float:
        """How many images it takes until the object is TRACKING where it is; it moves a little."""
        for count in range(1, 2 * WITHIN + 1):
            state, is_found = self.show((center[0] + 2 * count, center[1]))
            if state is State.TRACKING and is_found:
                return count
        return np.inf


@pytest.fixture(scope="module")
def tracker() -> LongTermTracker:
    return LongTermTracker(load_tracker())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_objects_are_found_again(tracker: LongTermTracker) -> None:
    after_cover, after_leaving, wrong = [], [], 0
    for seed in range(OBJECTS):
        scene = Scene(seed)
        follower = Follower(tracker, scene, (240, 220))
        seen = [follower.show((240 + 6 * step, 220))[1] for step in range(8)]
        assert all(seen)
        hidden = [follower.show((288, 220), covered=True) for _ in range(COVERED)]
        after_cover.append(follower.frames_until_found(scene.elsewhere(than=(288, 220))))
        place = follower.target.track.place
        step = 50 if place.center_x > WIDTH / 2 else -50
        for count in range(1, 11):  # out of the image
            follower.show((place.center_x + step * count, place.center_y))
        hidden += [follower.show(None) for _ in range(COVERED)]
        after_leaving.append(follower.frames_until_found(scene.elsewhere(than=(0, 220))))
        wrong += sum(state is State.TRACKING for state, _ in hidden)
    assert sum(np.array(after_cover) <= WITHIN) >= OBJECTS - 1, after_cover
    assert sum(np.array(after_leaving) <= WITHIN) >= OBJECTS - 1, after_leaving
    assert wrong <= 0.05 * 2 * COVERED * OBJECTS, "images in which something else is taken for the object"


@pytest.mark.slow
def test_two_targets_in_turns_equal_two_runs(tracker: LongTermTracker) -> None:
    """To the bit: nothing of one target is kept in the network or the tracker."""
    scenes = [Scene(1), Scene(2)]
    alone = [[], []]
    for results, scene in zip(alone, scenes, strict=True):
        follower = Follower(tracker, scene, (240, 220))
        for step in range(6):
            follower.show((240 + 5 * step, 220))
            results.append(replace(follower.target))
    scenes = [Scene(1), Scene(2)]
    followers = [Follower(tracker, scene, (240, 220)) for scene in scenes]
    for step in range(6):
        for index, follower in enumerate(followers):
            follower.show((240 + 5 * step, 220))
            expected = alone[index][step]
            kernels, expected_kernels = (item.template.kernels for item in (follower.target, expected))
            np.testing.assert_array_equal(kernels, expected_kernels)
            assert follower.target.template.box_fusion == expected.template.box_fusion
            track, expected_track = follower.target.track, expected.track
            np.testing.assert_array_equal(track.appearance.weights, expected_track.appearance.weights)
            assert replace(track, appearance=None) == replace(expected_track, appearance=None)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_target_is_followed_past_others_of_its_kind(tracker: LongTermTracker) -> None:
    """Another ball passes behind the target; it must not become the target."""
    kept = 0
    for seed in range(4):
        scene, other = Scene(seed), Scene(seed + 20)
        scene.wall = other.wall
        follower = Follower(tracker, other, (220, 210))
        on_other = 0
        for step in range(1, 36):
            center, passing = (220 + 6 * step, 210.0), (420 - 6 * step, 225.0)
            other.wall = scene.image(passing)
            result = follower.result(center)
            are_apart = float(overlap(scene.box(passing), other.box(center))) < 0.3
            if are_apart and follower.target.is_seen and follower.target.state is State.TRACKING:
                on_other += float(overlap(result.box_xywh, scene.box(passing))) > max(
                    0.3, float(overlap(result.box_xywh, other.box(center)))
                )
        kept += float(overlap(result.box_xywh, other.box(center))) > 0.5
        assert on_other < 3, f"seed {seed}: {on_other} images on the other ball"
    assert kept >= 3


def test_the_default_thresholds_fit_together() -> None:
    config = LongTermConfig()
    assert 0 < config.confidence_low < config.confidence_high < 1
