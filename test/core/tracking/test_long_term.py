"""Targets that are covered, leave the image and come back, with an engine that knows the truth."""

from dataclasses import replace

import numpy as np
import pytest
from colour_engine import ColourEngine

from siammaskpp_core.tracking import LongTermConfig, Place, Template, Tracker
from siammaskpp_core.tracking.boxes import BoxFusion, overlap
from siammaskpp_core.tracking.long_term.redetection import grid_regions
from siammaskpp_core.tracking.long_term.regions import Regions, search_regions
from siammaskpp_core.tracking.long_term.state import State, Streak, TrackStatus
from siammaskpp_core.tracking.long_term.target import Target, TrackState
from siammaskpp_core.tracking.long_term.tracker import LongTermTracker

SIZE = (640, 480)
SIDE = 60
RED, BLUE, PINKISH = (20, 20, 220), (220, 20, 20), (40, 20, 220)
CONFIG = LongTermConfig(lost_after_frames=10, lost_after_s=0.5, confirm_frames=3)
T, U, L = State.TRACKING, State.UNCERTAIN, State.LOST


def picture(*objects: tuple[tuple[float, float], tuple[int, int, int]], side: int = SIDE) -> np.ndarray:
    """Squares around their centres on grey; later ones cover earlier ones."""
    image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    for (x, y), colour in objects:
        left, top = round(x - side / 2), round(y - side / 2)
        image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = colour
    return image


def box(x: float, y: float, side: int = SIDE) -> tuple[float, float, float, float]:
    return x - side / 2, y - side / 2, side, side


class Video:
    """One tracker and target, and a clock of 20 images per second."""

    def __init__(self, place=(200, 200), config=CONFIG):
        self.engine = ColourEngine()
        self.tracker = LongTermTracker(Tracker(self.engine))
        self.config = config
        self.stamp_ns = 10**9
        self.target, self.result = self.tracker.init(picture((place, RED)), box(*place))

    def show(self, *objects, side=SIDE) -> State:
        self.stamp_ns += 50_000_000
        image = picture(*objects, side=side)
        (self.result,) = self.tracker.step(image, [self.target], self.stamp_ns, self.config)
        return self.target.state

    def lose(self) -> None:
        """Nothing to see until it is lost."""
        while self.show() is not State.LOST:
            pass

    def next_regions(self) -> Regions:
        return search_regions(self.target, (480, 640), self.extent_px, self.config)

    @property
    def extent_px(self):
        """24 of the 255 / 8 cells of a region twice as wide as 60 px and their context."""
        return 2 * 127.5 / 127 * SIDE * 2 * 192 / 255

    @property
    def place(self):
        return self.target.track.place[:2]

    @property
    def size(self):
        return self.target.track.place[2:]


def test_while_it_is_seen_one_region_is_searched():
    """The results are those of the plain step; the region is where the motion model expects the target."""
    video, plain = Video(), Tracker(ColourEngine())
    region, _, expected = plain.init(picture(((200, 200), RED)), box(200, 200))
    np.testing.assert_array_equal(video.result.box_xywh, expected.box_xywh)
    for index in range(8):
        scene = ((200 + 9 * index, 200 + 5 * index), RED)
        assert video.show(scene) is State.TRACKING
        ((region, expected),) = plain.step(picture(scene), [region])
        np.testing.assert_allclose(video.result.box_xywh, expected.box_xywh, atol=2)
        assert video.result.confidence > 0.9
        assert video.size == pytest.approx(region.place[2:], abs=1)
    assert set(video.engine.searched) == {1}


def test_a_target_behind_a_wall_is_expected_farther_on():
    """8 px an image to the right, four images behind a wall: it is found again where it comes out."""
    video = Video()
    for index in range(1, 13):
        assert video.show(((200 + 8 * index, 200), RED)) is State.TRACKING
    assert video.target.track.motion.velocity_x == pytest.approx(160, rel=0.3)
    size, before = video.size, video.place[0]
    for _ in range(13, 17):
        assert video.show() is State.UNCERTAIN
        assert not video.target.is_seen
        assert before < video.place[0] < 200 + 8 * 17
        assert video.size == size
        before = video.place[0]
    assert video.show(((200 + 8 * 17, 200), RED)) is State.TRACKING
    assert overlap(video.result.box_xywh, box(336, 200)) > 0.9


def test_a_target_that_is_clearly_seen_is_believed_wherever_it_is_in_its_region():
    """It was hidden for a moment and has jumped by more than its side: an invented place refuses nothing."""
    for jump in (0, 40, 75):
        video = Video()
        for _ in range(6):
            video.show(((200, 200), RED))
        assert video.show() is State.UNCERTAIN
        states = [video.show(((200 + jump, 200), RED)) for _ in range(2)]
        assert states[-1] is State.TRACKING, jump
        assert overlap(video.result.box_xywh, box(200 + jump, 200)) > 0.9


def test_the_region_widens_step_by_step():
    video = Video(config=replace(CONFIG, search_scale_step=0.1, search_scale_max=1.25))
    video.show(((200, 200), RED))
    scales = []
    for _ in range(5):
        regions = video.next_regions()
        assert not regions.elsewhere
        scales.append([region.scale for region in regions.expected])
        video.show()
    assert scales[0] == [1.0]
    np.testing.assert_allclose(scales[1:], [[1.1, 1.0], [1.2, 1.0], [1.25, 1.0], [1.25, 1.0]])
    video.config = replace(video.config, search_regions_per_image=1)
    (region,) = video.next_regions().all
    assert region.scale == 1.25


@pytest.mark.parametrize("place", [(70, 60), (560, 60), (70, 420), (570, 430), (320, 240)])
def test_a_lost_target_is_found_anywhere_within_ten_images(place):
    video = Video()
    video.show(((200, 200), RED))
    video.lose()
    searched = len(video.engine.searched)
    states = [video.show((place, RED)) for _ in range(10)]
    assert states[-1] is State.TRACKING
    assert overlap(video.result.box_xywh, box(*place)) > 0.9
    assert max(video.engine.searched[searched:]) <= CONFIG.search_regions_per_image
    first = states.index(State.TRACKING)
    assert set(states[:first]) == {State.LOST}
    assert set(states[first:]) == {State.TRACKING}
    assert first >= CONFIG.confirm_frames - 1


def test_no_image_searches_more_regions_than_allowed():
    for regions in (1, 3, 64):
        video = Video(config=replace(CONFIG, search_regions_per_image=regions))
        video.lose()
        begin = len(video.engine.searched)
        for _ in range(4):
            video.show()
        assert max(video.engine.searched[begin:]) <= regions
    assert max(video.engine.searched[begin:]) < 64  # no more than cover the image


def test_something_alike_is_not_taken_for_the_target():
    """A doubtful object neither moves nor resizes a target that is hidden or LOST."""
    video = Video()
    video.show(((200, 200), RED))
    size = video.size
    assert video.show(((275, 200), PINKISH)) is State.UNCERTAIN
    assert video.place == pytest.approx((200, 200), abs=1)
    video.lose()
    assert {video.show(((275, 200), PINKISH)) for _ in range(20)} == {State.LOST}
    assert video.size == size
    assert not video.target.is_seen
    # The target itself is found beside it.
    states = [video.show(((275, 200), PINKISH), ((500, 300), RED)) for _ in range(14)]
    assert states[-1] is State.TRACKING
    assert overlap(video.result.box_xywh, box(500, 300)) > 0.9


def test_in_doubt_the_place_follows():
    video = Video()
    video.show(((200, 200), RED))
    for index in range(1, 30):
        assert video.show(((200 + 4 * index, 200), PINKISH)) is State.UNCERTAIN
        assert video.target.is_seen
    assert video.place == pytest.approx((316, 200), abs=4)
    assert video.show(((320, 200), RED)) is State.TRACKING


def test_a_target_in_doubt_for_long_is_searched_for_elsewhere_too():
    """It is followed all the time, and stays UNCERTAIN; the real one elsewhere is found and confirmed."""
    video = Video()
    video.show(((200, 200), RED))
    for _ in range(CONFIG.lost_after_frames):
        assert not video.next_regions().elsewhere
        assert video.show(((200, 200), PINKISH)) is State.UNCERTAIN
    assert video.next_regions().elsewhere
    places = []
    for _ in range(20):
        video.show(((200, 200), PINKISH), ((480, 330), RED))
        places.append(video.place[0])
    assert places[0] == pytest.approx(200, abs=2)
    assert places[-1] == pytest.approx(480, abs=2)
    assert video.target.state is State.TRACKING


def test_a_flicker_elsewhere_is_not_confirmed():
    video = Video()
    video.lose()
    for index in range(30):
        place = ((100, 100), (500, 100), (300, 400))[index % 3]
        assert video.show((place, RED)) is State.LOST


@pytest.mark.parametrize("side", [36, 130])
def test_a_lost_target_may_come_back_in_another_size(side):
    """It is confirmed in a region that suits its new size, and followed in that size at once."""
    video = Video()
    video.show(((200, 200), RED))
    video.lose()
    while video.target.track.status.hits < 2:  # a region of the grid may show a piece of it
        assert video.show(((400, 300), RED), side=side) is State.LOST
    (region,) = video.next_regions().elsewhere
    assert region.scale == pytest.approx(side / SIDE, rel=0.1)
    assert (region.place.center_x, region.place.center_y) == pytest.approx((400, 300), abs=2)
    assert video.size[0] == pytest.approx(SIDE, rel=0.05)
    while video.show(((400, 300), RED), side=side) is not State.TRACKING:
        pass
    assert overlap(video.result.box_xywh, box(400, 300, side)) > 0.85
    assert video.size == pytest.approx((side, side), rel=0.1)


def test_a_candidate_without_size_is_searched_again():
    lost = target()
    for size, scale in ((0.0, 1 / 3), (1e6, 3.0)):
        status = TrackStatus(State.LOST, candidate_box_xywh=(50, 50, size, size), hits=1, missed=Streak(7))
        lost.track = replace(lost.track, status=status)
        (region,) = search_regions(lost, (480, 640), 181.0, CONFIG).elsewhere
        assert region.scale == pytest.approx(scale)


def test_a_target_that_was_lost_begins_without_velocity():
    video = Video()
    for index in range(8):
        video.show(((200 + 10 * index, 200), RED))
    video.lose()
    while video.show(((200, 350), RED)) is not State.TRACKING:
        pass
    assert abs(video.target.track.motion.velocity_x) < 10
    video.show()
    assert video.place == pytest.approx((200, 350), abs=2)


def test_where_it_may_be_anywhere_the_middle_is_not_preferred():
    """A sure candidate at the border and a doubtful one in the middle: SiamMask's window takes the latter."""

    class TwoPeaks(ColourEngine):
        def search(self, crops, kernels):
            answers = super().search(crops, kernels)
            for answer in answers:
                answer.cls[5:] = -6
                answer.cls[7, 12, 12], answer.cls[7, 1, 12] = 0.0, 4.0
            return answers

    tracker = Tracker(TwoPeaks())
    image = picture(((200, 200), RED))
    region, *_ = tracker.init(image, box(200, 200))
    found = tracker.search(image, [region, region._replace(prefers_center=False)])
    assert [best.peak.cell for (best,) in found] == [(12, 12), (1, 12)]
    for state in (State.LOST, State.UNCERTAIN):
        status = TrackStatus(state, missed=Streak(2))
        missed = Target(region.template, TrackState.starting_at(region.place, status))
        regions = search_regions(missed, image.shape, 181.0, CONFIG).all
        assert regions
        assert not any(region.prefers_center for region in regions)


def test_a_jump_back_in_time_leaves_state_and_place():
    video = Video()
    for index in range(6):
        video.show(((200 + 8 * index, 200), RED))
    for _ in range(4):
        video.show()
    place = video.place
    video.stamp_ns = 0
    assert video.show() is State.UNCERTAIN
    assert video.place == pytest.approx(place, abs=1)  # how long ago it was seen is not known
    assert video.target.track.status.missed.images == 1
    assert video.show(((300, 200), RED)) is State.TRACKING


def test_two_targets_far_apart_do_not_disturb_each_other():
    """Through tracking, loss and return, whoever else is followed in the same batch."""
    rng = np.random.default_rng(0)
    reds = [(200 + 6 * i, 200) for i in range(10)] + [None] * 14 + [(520, 400)] * 10
    blues = [(420 - 5 * i, 300) for i in range(16)] + [None] * 4 + [(320, 300)] * 14
    videos = [
        picture(*[(place, colour) for place, colour in ((red, RED), (blue, BLUE)) if place])
        for red, blue in zip(reds, blues, strict=True)
    ]
    stamps = np.cumsum(rng.integers(20, 70, len(videos))) * 10**6
    boxes = [box(*reds[0]), box(*blues[0])]

    def run(tracker, chosen):
        targets = [tracker.init(videos[0], boxes[index])[0] for index in chosen]
        course = []
        for image, stamp in zip(videos[1:], stamps[1:], strict=True):
            results = tracker.step(image, targets, int(stamp), CONFIG)
            course.append([(r, t.track) for r, t in zip(results, targets, strict=True)])
        return course

    tracker = LongTermTracker(Tracker(ColourEngine()))
    both, alone = run(tracker, (0, 1)), [run(tracker, (index,)) for index in (0, 1)]
    states = set()
    for step, pair in enumerate(both):
        for index, (result, track) in enumerate(pair):
            expected, expected_track = alone[index][step][0]
            assert track.status.state is expected_track.status.state
            assert track.status.is_seen is expected_track.status.is_seen
            if track.status.is_seen:
                np.testing.assert_allclose(result.box_xywh, expected.box_xywh, atol=1)
            states.add((index, track.status.state))
    assert states == {(0, T), (0, U), (0, L), (1, T), (1, U)}


def test_one_object_is_not_two_targets():
    """Two targets are set on one object: only one of them is believed, and their masks share no pixel."""
    tracker = LongTermTracker(Tracker(ColourEngine()))
    image = picture(((200, 200), RED))
    targets = [tracker.init(image, box(200 + shift, 200))[0] for shift in (0, 2)]
    for index in range(1, 6):
        image = picture(((200 + 2 * index, 200), RED))
        first, second = tracker.step(image, targets, index * 50_000_000, CONFIG)
        assert sorted(target.is_seen for target in targets) == [False, True]
        assert not (first.mask & second.mask).any()


def test_all_targets_are_searched_in_one_batch():
    engine = ColourEngine()
    tracker = LongTermTracker(Tracker(engine))
    image = picture(((200, 200), RED), ((400, 300), BLUE))
    targets = [tracker.init(image, box(*place))[0] for place in ((200, 200), (400, 300))]
    targets[1].track = replace(targets[1].track, status=TrackStatus(State.LOST))
    engine.searched.clear()
    tracker.step(image, targets, 1, CONFIG)
    assert engine.searched == [1 + CONFIG.search_regions_per_image]
    assert tracker.step(image, [], 2, CONFIG) == []


def test_a_failing_engine_changes_no_target():
    video = Video()
    before = replace(video.target)
    video.engine.refine = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        video.show(((220, 200), RED))
    assert video.target.template is before.template
    assert video.target.track is before.track


def test_a_lost_target_is_searched_for_in_every_region():
    video = Video()
    video.lose()
    places = list(grid_regions((480, 640), video.extent_px, video.place, CONFIG.search_scale_max))
    searched = []
    while len(searched) < len(places):
        searched += video.next_regions().grid
        video.show()
    assert searched[: len(places)] == places
    assert {region.scale for region in places} == {1.0, 1.5}


def test_with_one_region_an_image_a_candidate_comes_first():
    video = Video(config=replace(CONFIG, search_regions_per_image=1))
    video.show(((200, 200), RED))
    video.lose()
    while not video.target.track.status.hits:
        video.show(((275, 200), RED))
    (region,) = video.next_regions().all
    assert (region.place.center_x, region.place.center_y) == pytest.approx((275, 200), abs=1)


def target() -> Target:
    template = Template(np.zeros((1, 1, 1), np.float32), (0, 0, 0), BoxFusion())
    return Target(template, TrackState.starting_at(Place(100.0, 50.0, 20.0, 20.0)))
