"""Named targets, and the replay of buffered frames from the image on which a box was drawn."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from fake_tracker import FakeTarget, FakeTracker
from ros_harness import GREEN, scene
from ros_time import stamp_at
from std_msgs.msg import Header

from siammaskpp_core.tracking import BoxError, LongTermConfig, State
from siammaskpp_ros.common.conversions import to_image
from siammaskpp_ros.common.frame_buffer import Frame, FrameBuffer
from siammaskpp_ros.common.tracked_target import TrackedTarget
from siammaskpp_ros.tracker import targets
from siammaskpp_ros.tracker.replay import frames_to_replay
from siammaskpp_ros.tracker.targets import TargetStore, TooManyTargets

BOX = (100, 50, 40, 30)  # box of the object in scene()
PERIOD_S = 1 / 30


class Store(TargetStore):
    """A store with methods that show a picture as the image with an index, at 30 Hz."""

    def __init__(self, tracker: FakeTracker, config: LongTermConfig | None = None) -> None:
        self.buffer = FrameBuffer(max_age_s=30.0, max_bytes=10**9)
        self.config = config or LongTermConfig()
        super().__init__(tracker, self.buffer)

    def arrive(self, index: int, picture: np.ndarray) -> Frame:
        frame = frame_of(index, picture)
        self.buffer.add(frame)
        return frame

    def show(self, index: int, picture: np.ndarray) -> list[TrackedTarget]:
        return self.step(self.arrive(index, picture), picture, self.config)

    def choose(
        self, id: str, index: int, picture: np.ndarray, box: tuple = BOX, label: str = "", limit: int = 9
    ) -> None:
        self.set(id, label, frame_of(index, picture), box, limit)


def frame_of(index: int, picture: np.ndarray) -> Frame:
    header = Header(stamp=stamp_at(index * PERIOD_S))
    return Frame(to_image(picture, "bgr8", header), index, index * PERIOD_S)


class Recording(FakeTracker):
    """Records the place of the object and the number of targets in every step."""

    def __init__(self, step_s: float = 0.0) -> None:
        super().__init__(step_s)
        self.steps: list[tuple[int, int]] = []

    def step(self, image, targets: list[FakeTarget], *arguments):
        results = super().step(image, targets, *arguments)
        self.steps.append((int(results[0].box_xywh[0]), len(targets)))
        return results


def test_targets_start_on_their_frame_and_are_replaced_by_id() -> None:
    store = Store(FakeTracker())
    picture = scene()
    store.choose("a", 5, picture, label="first", limit=2)
    assert store.show(5, picture) == []  # not searched for in the frame on which it was set, or before
    assert [(item.id, item.label) for item in store.show(6, picture)] == [("a", "first")]
    store.choose("b", 6, picture, limit=2)
    with pytest.raises(TooManyTargets, match="max_targets is 2; remove one of a, b"):
        store.choose("c", 6, picture, limit=2)
    store.choose("a", 6, picture, label="second", limit=2)
    assert [(item.id, item.label) for item in store.show(7, picture)] == [("a", "second"), ("b", "")]
    assert store.remove("c") == []
    assert store.remove("b") == ["b"]
    store.choose("b", 7, picture, limit=2)
    assert store.remove("") == ["a", "b"]
    assert store.ids() == []


def test_times_are_those_of_the_last_step() -> None:
    store = Store(FakeTracker(step_s=0.001))
    store.choose("a", 1, scene())
    store.show(2, scene())
    assert store.timings["search"] >= 1.0
    store.remove("a")
    store.show(3, scene())
    assert store.timings == {}


def test_a_refused_box_leaves_the_target_with_this_id() -> None:
    store = Store(FakeTracker())
    store.choose("a", 1, scene())
    with pytest.raises(BoxError):
        store.choose("a", 2, scene(), box=(0, 0, 0, 0))
    (seen,) = store.show(3, scene(x=110))
    assert seen.result.box_xywh[0] == 110


def test_a_target_removed_during_a_step_is_not_reported() -> None:
    class Removing(FakeTracker):
        def step(self, *arguments):
            store.remove("gone")
            return super().step(*arguments)

    store = Store(Removing())
    for id in ("kept", "gone"):
        store.choose(id, 1, scene())
    assert [item.id for item in store.show(2, scene())] == ["kept"]


def test_states_come_from_the_stamps_and_scores() -> None:
    store = Store(FakeTracker(), LongTermConfig(lost_after_s=0.5, lost_after_frames=100, confirm_frames=2))
    store.choose("a", 1, scene())
    pictures = [scene(), *[scene(colour=GREEN)] * 3, scene(), scene()]
    states = []
    for step, picture in enumerate(pictures):
        (seen,) = store.show(2 + 8 * step, picture)  # 0.27 s apart
        states.append((seen.state, seen.is_seen))
    assert states == [
        (State.TRACKING, True),
        (State.UNCERTAIN, False),
        (State.UNCERTAIN, False),
        (State.LOST, False),
        (State.LOST, False),
        (State.TRACKING, True),
    ]


def test_one_target_comes_and_goes_and_the_others_do_not_notice() -> None:
    """Other targets are the same objects with the same states, and all are searched for in one step."""
    tracker = Recording()
    store = Store(tracker)
    picture = scene()
    picture[150:180, 200:240] = GREEN
    store.choose("red", 1, picture)
    store.show(2, picture)
    (kept,) = [entry.target for entry in store._entries.values()]
    status = kept.status
    store.choose("green", 2, picture, box=(200, 150, 40, 30))
    assert kept.status is status
    assert [item.id for item in store.show(3, picture)] == ["red", "green"]
    store.choose("green", 3, picture, box=(200, 150, 40, 30))
    assert [item.id for item in store.show(4, picture)] == ["red", "green"]
    store.remove("green")
    (seen,) = store.show(5, picture)
    assert (seen.id, seen.state) == ("red", State.TRACKING)
    assert store._entries["red"].target is kept
    assert [count for _, count in tracker.steps] == [1, 2, 2, 1]


def test_a_target_is_replayed_through_the_images_since_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """A box on an image that is a second old: the target is tracked through images 0.1 s apart."""
    monkeypatch.setattr(targets, "REPLAY_BUDGET_S", 60.0)  # also on a busy machine
    tracker = Recording()
    store = Store(tracker)
    for index in range(1, 31):
        store.arrive(index, scene(x=20 + 8 * index))
    store.choose("a", 1, scene(x=28), box=(28, 50, 40, 30))
    (seen,) = store.show(31, scene(x=268))
    places = [x for x, _ in tracker.steps]
    assert places == [20 + 8 * index for index in (4, 7, 10, 13, 16, 19, 22, 25, 28, 31)]
    assert seen.result.box_xywh[0] == 268
    tracker.steps.clear()
    store.show(32, scene(x=270))
    assert tracker.steps == [(270, 1)]  # the replay has ended


def test_a_slow_tracker_replays_a_few_steps_with_every_image() -> None:
    """Other targets do not wait for a replay: it takes one or two steps with each image, ten at most."""
    tracker = Recording(step_s=targets.REPLAY_BUDGET_S * 0.6)
    store = Store(tracker)
    for index in range(1, 31):
        store.arrive(index, scene())
    store.choose("late", 1, scene())
    store.choose("now", 30, scene())
    steps = []
    for index in range(31, 50, 3):
        tracker.steps.clear()
        ids = [item.id for item in store.show(index, scene())]
        steps.append((ids, len(tracker.steps)))
        if ids == ["late", "now"]:
            break
    assert all(count <= 3 for _, count in steps)
    assert steps[0][0] == ["now"]
    assert steps[0][1] >= 2
    assert steps[-1][0] == ["late", "now"]
    assert sum(count - 1 for _, count in steps) <= targets.REPLAY_MAX_STEPS


def test_a_tracker_that_is_too_slow_for_a_replay_skips_it() -> None:
    """At 3 Hz a step takes as long as ten images of the camera, so that a replay gains no time."""
    tracker = Recording(step_s=0.3)
    store = Store(tracker)
    for index in range(1, 11):
        store.arrive(index, scene())
    store.choose("now", 1, scene())
    store.show(11, scene())
    for index in range(12, 21):
        store.arrive(index, scene())
    store.choose("next", 12, scene())
    tracker.steps.clear()
    assert [item.id for item in store.show(21, scene())] == ["now", "next"]
    assert len(tracker.steps) == 1


def test_a_target_can_be_removed_or_replaced_during_its_replay() -> None:
    class Removing(Recording):
        def step(self, image, targets, *arguments):
            store.remove("a")
            return super().step(image, targets, *arguments)

    store = Store(Removing())
    for index in range(1, 31):
        store.arrive(index, scene())
    store.choose("a", 1, scene())
    assert store.show(31, scene()) == []
    assert store.ids() == []


def test_setting_a_target_does_not_wait_for_a_replay() -> None:
    """The tracker is free between two steps of a replay."""
    store = Store(Recording(step_s=0.05))
    for index in range(1, 31):
        store.arrive(index, scene())
    store.choose("late", 1, scene())
    worker = threading.Thread(target=store.show, args=(31, scene()))
    worker.start()
    store.choose("now", 31, scene())
    worker.join(10.0)
    assert store.ids() == ["late", "now"]


@pytest.mark.parametrize(
    ("indices", "newest", "steps", "chosen"),
    [
        ([], 5, 10, []),
        ([1, 2], 3, 10, []),  # too short a time for a step
        (range(1, 11), 11, 10, [4, 8]),  # at least 0.1 s apart
        (range(1, 91), 91, 2, [31, 61]),  # few steps, evenly spread
        (range(1, 91), 91, 0, []),
        (range(1, 3), 91, 10, [2]),
        ([1, 40, 41, 42], 91, 10, [40, 42]),  # the nearest buffered frames
        ([20, 30, 40], 50, 10, [30, 40]),  # its own frame was dropped: from the oldest one
    ],
)
def test_frames_to_replay(indices, newest, steps, chosen) -> None:
    picture = scene(size=(64, 48), x=2, y=2)
    frames = [frame_of(index, picture) for index in indices]
    assert [item.index for item in frames_to_replay(frames, frame_of(newest, picture), steps, 0.01)] == chosen


@pytest.mark.parametrize(("step_s", "count"), [(0.0, 9), (0.05, 9), (0.1, 4), (0.25, 1), (0.3, 0), (9.0, 0)])
def test_a_step_gains_twice_its_time(step_s: float, count: int) -> None:
    picture = scene(size=(64, 48), x=2, y=2)
    frames = [frame_of(index, picture) for index in range(1, 31)]
    assert len(frames_to_replay(frames, frame_of(31, picture), 10, step_s)) == count


def test_frames_between_two() -> None:
    frames = FrameBuffer(max_age_s=100.0, max_bytes=10**6)
    for index in (1, 2, 5, 9):
        frames.add(frame_of(index, scene(size=(64, 48), x=2, y=2)))
    assert [item.index for item in frames.between(2, 9)] == [2, 5]
    assert frames.between(9, 9) == []


# A target for which the tracker fails ----------------------------------------------------------------


class Failing(FakeTracker):
    """Fails for targets of these colours, as a network does whose answer for one target is not finite."""

    def __init__(self, *colours: tuple[int, int, int]) -> None:
        super().__init__()
        self.colours = colours

    def step(self, image, targets: list[FakeTarget], *arguments):
        if any(tuple(target.colour) in self.colours for target in targets):
            raise FloatingPointError("the network's output is not finite")
        return super().step(image, targets, *arguments)


def both() -> np.ndarray:
    picture = scene()
    picture[150:180, 200:240] = GREEN
    return picture


@pytest.mark.parametrize("order", [("red", "green"), ("green", "red")])
def test_the_others_are_tracked_when_the_tracker_fails_for_one_target(order: tuple[str, str]) -> None:
    tracker = Failing()
    store = Store(tracker)
    boxes = {"red": BOX, "green": (200, 150, 40, 30)}
    for id in order:
        store.choose(id, 1, both(), box=boxes[id])
    store.show(2, both())
    tracker.colours = (GREEN,)
    seen = {item.id: item for item in store.show(3, both())}
    assert (seen["red"].state, seen["red"].is_seen) == (State.TRACKING, True)
    assert seen["red"].result.box_xywh[0] == 100
    assert (seen["green"].state, seen["green"].is_seen) == (State.UNCERTAIN, False)
    assert list(store.failures) == ["green"]
    assert "not finite" in store.failures["green"]
    tracker.colours = ()
    assert all(item.is_seen for item in store.show(4, both()))
    assert store.failures == {}


def test_every_target_is_stepped_once_when_one_fails() -> None:
    """The tracker replaces the state of a target in each step: a second step would count an image twice."""
    tracker = Failing()
    store = Store(tracker, LongTermConfig(confirm_frames=3))
    store.choose("red", 1, both())
    store.choose("green", 1, both(), box=(200, 150, 40, 30))
    hidden = np.full((240, 320, 3), 20, np.uint8)
    for index in range(2, 60):
        store.show(index, hidden)
    tracker.colours = (GREEN,)
    states = [store.show(index, both())[0].state for index in (60, 61, 62)]
    assert states == [State.LOST, State.LOST, State.TRACKING]


def test_a_failure_for_all_targets_is_raised() -> None:
    store = Store(Failing((0, 0, 255), GREEN))
    store.choose("red", 1, both())
    with pytest.raises(FloatingPointError):
        store.show(2, both())
    store.choose("green", 2, both(), box=(200, 150, 40, 30))
    with pytest.raises(FloatingPointError):
        store.show(3, both())


def test_a_buffered_image_that_cannot_be_read_is_left_out_of_the_replay() -> None:
    store = Store(FakeTracker())
    for index in range(1, 40):
        store.arrive(index, scene())
        if index % 4:  # the messages in the buffer
            store.buffer.newest().message.encoding = "32FC1"
    store.set("a", "", store.buffer.between(4, 5)[0], BOX, 9)
    for index in range(40, 60):
        seen = store.show(index, scene(x=110))
        assert store.failures == {}
    assert [item.is_seen for item in seen] == [True]


def test_the_others_are_tracked_when_the_replay_of_a_new_target_fails() -> None:
    store = Store(Failing(GREEN))
    store.choose("red", 1, both())
    for index in range(2, 40):
        store.show(index, both())
    store.set("green", "", store.buffer.between(15, 16)[0], (200, 150, 40, 30), 9)
    for index in range(40, 50):
        seen = {item.id: item for item in store.show(index, both())}
        assert seen["red"].is_seen
        assert list(store.failures) == ["green"]
