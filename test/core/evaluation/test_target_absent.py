"""The target-absent benchmark: its cases to the pixel, and the rates of known trackers on them."""

import re
import shutil
import signal

import cv2
import numpy as np
import pytest

from siammaskpp_core.cli.main import main
from siammaskpp_core.data.sequences import find_sequences
from siammaskpp_core.evaluation import run as evaluation_run
from siammaskpp_core.evaluation.target_absent.benchmark import (
    CaseResult,
    fit_calibration,
    run_case,
    summarise,
)
from siammaskpp_core.evaluation.target_absent.cases import TargetAbsentCase, make_cases
from siammaskpp_core.tracking import State, TrackResult
from siammaskpp_core.tracking.boxes import RotatedBox

SIZE, FRAMES, SIDE = (320, 240), 75, 30


def write_video(folder, blue, start, stop):
    """Write an OTB sequence of a grey square that moves from `start` to `stop` on a background of `blue`."""
    (folder / "img").mkdir(parents=True)
    places = np.rint(np.linspace(start, stop, FRAMES)).astype(int)
    for number, (x, y) in enumerate(places, start=1):
        image = np.full((SIZE[1], SIZE[0], 3), (blue, 0, 0), np.uint8)
        image[y : y + SIDE, x : x + SIDE] = 128
        cv2.imwrite(str(folder / "img" / f"{number:04d}.png"), image)
    lines = "".join(f"{x},{y},{SIDE},{SIDE}\n" for x, y in places)
    (folder / "groundtruth_rect.txt").write_text(lines, encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    write_video(root / "one", 200, (20, 20), (50, 40))
    write_video(root / "two", 90, (140, 100), (150, 110))
    return root


@pytest.fixture(scope="module")
def cases(folder):
    return {(case.kind, case.sequence.name): case for case in make_cases(find_sequences([folder]))}


def test_cases_are_made_where_they_are_possible(cases):
    # The square in the centre of `two` cannot leave a window of 192 x 144 pixels.
    assert set(cases) == {
        ("cut", "one"),
        ("cut", "two"),
        ("occlusion", "one"),
        ("occlusion", "two"),
        ("out_of_view", "one"),
    }


def test_another_object_of_the_same_video_is_no_replacement(tmp_path):
    write_video(tmp_path / "Pair.1", 200, (20, 20), (50, 40))
    write_video(tmp_path / "Pair.2", 200, (20, 20), (50, 40))  # a copy, like OTB's Jogging
    assert make_cases(find_sequences([tmp_path])) == []
    write_video(tmp_path / "Stranger", 90, (140, 100), (150, 110))
    cases = make_cases(find_sequences([tmp_path]))
    shown = {case.sequence.name: case.replacement.name for case in cases}
    assert shown == {"Pair.1": "Stranger", "Pair.2": "Stranger", "Stranger": "Pair.1"}


def test_short_videos_give_none(folder, tmp_path):
    first = find_sequences([folder])[0]
    assert not TargetAbsentCase(first, first, "cut", first_absent=50).is_possible()


@pytest.mark.parametrize("kind", ["cut", "occlusion", "out_of_view"])
def test_the_target_is_visible_exactly_where_the_ground_truth_says(cases, kind):
    case = cases[kind, "one"]
    frames = list(case.frames())
    assert len(frames) == FRAMES
    for index, frame in enumerate(frames):
        own = (frame.image == 128).all(axis=2) if kind != "cut" else None
        if not (kind == "out_of_view" and case.departure <= index < case.reappearance):
            assert frame.is_absent == (case.first_absent <= index <= case.last_absent)
        if frame.is_absent:
            assert frame.box_xywh is None
            if kind == "cut":
                assert (frame.image[0, 0] == (90, 0, 0)).all()
            else:
                assert not own.any()
        elif frame.box_xywh is not None:
            x, y, width, height = frame.box_xywh.astype(int)
            assert (frame.image[y : y + height, x : x + width] == 128).all()
    assert frames[case.departure - 1].box_xywh is not None
    assert frames[case.reappearance].box_xywh is not None


class SquareTracker:
    """Finds the grey square in the frames for whose number `sees` is true."""

    def __init__(self, sees):
        self.sees = sees

    def init(self, image, box_xywh):
        target = type("Target", (), {})()
        target.state, target.frame = State.TRACKING, 0
        return target, None

    def step(self, image, targets, stamp_ns, config):
        (target,) = targets
        target.frame += 1
        ys, xs = np.nonzero((image == 128).all(axis=2))
        is_seen = len(ys) > 0 and self.sees(target.frame)
        box = np.array([xs.min(), ys.min(), SIDE, SIDE], float) if is_seen else np.array([0.0, 0, 9, 9])
        target.state = State.TRACKING if is_seen else State.LOST
        score = 0.9 if is_seen else 0.2
        return [TrackResult(box, RotatedBox(0, 0, 1, 1, 0.0), score, None)]


def test_a_perfect_tracker(cases):
    scores = [
        run_case(SquareTracker(lambda frame: True), case) for case in cases.values() if case.kind != "cut"
    ]
    total = summarise(scores, 0.5)
    assert (total.cases, total.recall, total.false_alarms, total.redetected) == (3, 1.0, 0.0, 1.0)
    assert summarise(scores, 0.1).recall == 0.0
    assert summarise(scores, 0.95).false_alarms == 1.0


@pytest.mark.parametrize(("late", "redetected"), [(9, True), (10, False)])
def test_redetected_means_within_ten_frames(cases, late, redetected):
    case = cases["occlusion", "one"]
    tracker = SquareTracker(lambda frame: frame < case.first_absent or frame >= case.reappearance + late)
    assert run_case(tracker, case).is_redetected is redetected


def test_a_target_that_was_not_tracked_before_does_not_count(cases):
    case = cases["occlusion", "one"]
    score = run_case(SquareTracker(lambda frame: frame > case.first_absent), case)
    assert (score.is_redetected, score.absent) == (None, [])


def test_the_calibration_puts_one_half_at_the_false_alarms():
    random = np.random.default_rng(0)
    present, absent = random.normal(6, 2, 4000), random.normal(-2, 2, 4000)
    scores = [CaseResult("cut", "x", *(list(1 / (1 + np.exp(-v))) for v in (present, absent)), True)]
    slope, offset = fit_calibration(scores)
    assert slope == pytest.approx(2.0, rel=0.1)  # difference of the means over the variance
    assert np.mean(slope * present + offset < 0) == pytest.approx(0.05, abs=0.002)


@pytest.mark.timeout(400)  # 74 images through the real network
def test_the_command(folder, capsys, monkeypatch):
    monkeypatch.setattr(evaluation_run, "make_cases", lambda *a, **options: make_cases(*a, **options)[:1])
    main(["evaluate", str(folder), "--protocol", "target-absent"])
    text = capsys.readouterr().out
    assert re.search(r"^\| all +\| ", text, re.MULTILINE)
    assert "log odds" in text
    assert main(["evaluate", str(folder), "--protocol", "target-absent", "--baselines", "kcf"]) != 0


def test_one_video_is_not_enough(folder, capsys):
    assert main(["evaluate", str(folder / "one"), "--protocol", "target-absent"]) != 0
    assert "two videos" in capsys.readouterr().err


def test_a_tracker_that_never_finds_the_target_has_no_rates(folder, capsys, monkeypatch):
    """Its confidence cannot be calibrated, and rates over nothing are no numbers."""
    monkeypatch.setattr(evaluation_run, "load_tracker", lambda *_: SquareTracker(lambda frame: False))
    monkeypatch.setattr(evaluation_run, "LongTermTracker", lambda tracker: WithoutConfig(tracker))
    assert main(["evaluate", str(folder), "--protocol", "target-absent"]) == 0
    text = capsys.readouterr().out
    assert "No calibration" in text
    assert re.search(r"^\| all +\| +0 \| +- \| +- \| +- \|", text, re.MULTILINE)


def test_no_calibration_without_frames_of_both_kinds():
    for present, absent in (([0.9], []), ([], [0.1]), ([], [])):
        assert fit_calibration([CaseResult("cut", "x", present, absent, None)]) is None


class WithoutConfig:
    """A stand-in for a LongTermTracker."""

    def __init__(self, tracker):
        self.init, self.step = tracker.init, tracker.step


def test_a_damaged_video_is_left_out_and_ctrl_c_keeps_the_cases(folder, tmp_path, capsys, monkeypatch):
    copy = shutil.copytree(folder, tmp_path / "videos")
    (copy / "two/img/0050.png").write_bytes(b"")
    frames = []

    def sees(frame):
        frames.append(frame)
        if len(frames) == interrupted:
            signal.raise_signal(signal.SIGINT)
        return True

    monkeypatch.setattr(evaluation_run, "load_tracker", lambda *_: SquareTracker(sees))
    monkeypatch.setattr(evaluation_run, "LongTermTracker", lambda tracker: WithoutConfig(tracker))
    interrupted = None
    assert main(["evaluate", str(copy), "--protocol", "target-absent"]) == 3
    shown = capsys.readouterr()
    assert "0050.png: not a readable image" in shown.err
    assert re.search(r"^\| cut +\| +1 \|", shown.out, re.MULTILINE)
    frames, interrupted = [], FRAMES + 20
    assert main(["evaluate", str(copy), "--protocol", "target-absent"]) == 130
    assert re.search(r"^\| all +\| +1 \|", capsys.readouterr().out, re.MULTILINE)
