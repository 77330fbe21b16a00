"""The VOT toolkit with trackers whose scores can be worked out by hand."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from siammaskpp_core.data.sequences import find_sequences

pytest.importorskip("vot", reason="needs the extra [vot] and vot-toolkit")

from siammaskpp_core.evaluation.vot.dataset import vot_sequence
from siammaskpp_core.evaluation.vot.toolkit import VotError, multi_start_plan, run_plan, supervised_plan

pytestmark = pytest.mark.timeout(300)  # at its first use the toolkit is compiled by numba
FRAMES = 30
SERVER = [sys.executable, str(Path(__file__).parents[1].joinpath("vot_trackers.py"))]


def commands(*names: str) -> dict[str, list[str]]:
    return {name: [*SERVER, name] for name in names}


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    """A bright square that moves 2 px to the right each frame, with masks as the ground truth."""
    root = tmp_path_factory.mktemp("data")
    pictures, masks = root / "JPEGImages/480p/square", root / "Annotations/480p/square"
    pictures.mkdir(parents=True)
    masks.mkdir(parents=True)
    for index in range(FRAMES):
        image, mask = np.full((64, 96, 3), 40, np.uint8), np.zeros((64, 96), np.uint8)
        left = 10 + 2 * index
        image[20:36, left : left + 16] = 255
        mask[20:36, left : left + 16] = 255
        # PNG pictures are lossless, so that the ground truth is exact.
        cv2.imwrite(str(pictures / f"{index:05d}.png"), image)
        cv2.imwrite(str(masks / f"{index:05d}.png"), mask)
    return [vot_sequence(sequence) for sequence in find_sequences([root])]


def test_supervised_scores_by_hand(sequences, tmp_path):
    drawn = [sequence.with_polygons() for sequence in sequences]
    plan = supervised_plan(drawn, realtime=False, year=None)
    assert plan.eao_frames == (8, 30), "VOT2018's 100 to 356 of 356 frames"
    done = []
    scores = run_plan(
        tmp_path / "work", plan, drawn, commands("right", "loses"), lambda *item: done.append(item)
    ).scores

    right, loses = scores["baseline"]["right"], scores["baseline"]["loses"]
    assert right.accuracy == pytest.approx(1), "our rotated box is VOT's polygon to the pixel"
    assert (right.robustness, right.eao, right.skipped) == (0, pytest.approx(1), 0)
    assert loses.accuracy == pytest.approx(1)
    assert loses.robustness == pytest.approx(100 / FRAMES)
    # The failure is in frame 10, the next start in frame 15: runs of 10 (failed) and 15 frames. Up to frame j
    # the first overlaps in 9 of j frames, the second in all. The curve ends with the longer run.
    curve = [(min(9 / j, 1) + 1) / 2 for j in range(8, 15)]
    assert loses.eao == pytest.approx(np.mean(curve))
    assert loses.frames == FRAMES - 4, "the four between failure and start are not tracked"
    assert done == [(f"{name}, baseline, square", FRAMES) for name in ("right", "loses")]


def test_multi_start_scores_by_hand(sequences, tmp_path):
    plan = multi_start_plan(sequences, realtime=False)
    scores = run_plan(tmp_path / "work", plan, sequences, commands("right", "loses")).scores["baseline"]
    # Two runs over all frames, from either end; where a run starts there is no overlap.
    assert scores["right"].accuracy == pytest.approx((FRAMES - 1) / FRAMES)
    assert (scores["right"].robustness, scores["right"].eao) == (1, pytest.approx(1))
    assert scores["right"].frames == 2 * FRAMES
    # One frame without the object is no failure in this experiment, only ten in a row are.
    assert scores["loses"].accuracy == pytest.approx((2 * (FRAMES - 1) - 1) / (2 * FRAMES))
    assert scores["loses"].robustness == 1


def test_in_real_time_a_busy_tracker_misses_frames(sequences, tmp_path):
    drawn = [sequence.with_polygons() for sequence in sequences]
    plan = supervised_plan(drawn, realtime=True, year=None)
    scores = run_plan(tmp_path / "work", plan, drawn, commands("slow")).scores
    assert scores["baseline"]["slow"].skipped == 0
    assert scores["baseline"]["slow"].accuracy == pytest.approx(1)
    # Busy for three and a half intervals, it misses two of three frames (the toolkit waits out the last one)
    # after the three late answers that VOT forgives: 17 of the other 26. On a busy machine it misses others.
    assert scores["realtime"]["slow"].skipped > FRAMES / 3
    assert scores["realtime"]["slow"].accuracy < 0.95, "the box of an earlier frame is 2 px off, or 4"


def test_a_tracker_that_dies_is_quoted(sequences, tmp_path):
    plan = supervised_plan(sequences, realtime=False, year=None)
    with pytest.raises(VotError, match=r"(?s)dies failed in square.*out of luck"):
        run_plan(tmp_path / "work", plan, sequences, commands("dies"))
    with pytest.raises(VotError, match=r"(?s)missing failed in square.*No module named nowhere"):
        run_plan(tmp_path / "none", plan, sequences, {"missing": [sys.executable, "-m", "nowhere"]})


def test_the_years_have_the_toolkits_rules(sequences):
    for year, interval in [(2016, (108, 371)), (2018, (100, 356)), (2019, (46, 291))]:
        plan = supervised_plan(sequences, realtime=False, year=year)
        assert plan.eao_frames == interval
        assert plan.experiments["baseline"]["repetitions"] == 15
        assert plan.experiments["baseline"]["skip_initialize"] == 5
    assert set(supervised_plan(sequences, realtime=True, year=2018).experiments) == {"baseline", "realtime"}
    with pytest.raises(VotError, match="vot2016/rgb have no real-time experiment"):
        supervised_plan(sequences, realtime=True, year=2016)
