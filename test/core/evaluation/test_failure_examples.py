"""The choice of the worst frames, and the sheets of them that `siammaskpp evaluate` writes."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
from limits import files_up_to

from siammaskpp_core.cli import main as cli
from siammaskpp_core.data.sequences import find_sequences
from siammaskpp_core.evaluation import run as evaluation_run
from siammaskpp_core.evaluation.failure_examples import FailureExamples, worst_frames
from siammaskpp_core.evaluation.stress import stressed
from siammaskpp_core.io.drawing import GAP_PX, target_colour
from siammaskpp_core.tracking import RotatedBox, TrackResult

FRAMES = 30
HEIGHT, WIDTH = 96, 128
BOX = np.array([20.0, 40, 24, 20])


def test_the_worst_frames_in_order_of_time():
    overlaps = np.full(40, 0.9)
    overlaps[[7, 12, 30]] = 0.2, 0.1, 0.3
    # Frame 7 is bad, too, but less than ten frames from 12, which is worse; the first good frames follow.
    assert worst_frames(overlaps, count=2) == [12, 30]
    assert worst_frames(overlaps, count=3) == [0, 12, 30]
    assert worst_frames(overlaps, count=3, apart=5) == [7, 12, 30]


def test_of_equal_frames_the_first():
    overlaps = np.concatenate([np.full(15, 0.8), np.zeros(45)])
    assert worst_frames(overlaps, count=4) == [15, 25, 35, 45]


def test_frames_without_a_ground_truth_are_no_examples():
    overlaps = np.full(30, np.nan)
    overlaps[[3, 14]] = 0.5, 1.0
    assert worst_frames(overlaps) == [3, 14]
    assert worst_frames(np.full(5, np.nan)) == []


class StandStill:
    """A stand-in for a tracker whose target never moves."""

    def init(self, image, box):
        self.box = box
        return object(), answer(box)

    def step(self, image, targets, stamp_ns):
        return [answer(self.box) for _ in targets]


def answer(box: np.ndarray) -> TrackResult:
    x, y, width, height = box.astype(int)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y : y + height, x : x + width] = 255
    return TrackResult(box, RotatedBox(x + width / 2, y + height / 2, width, height, 0.3), 0.75, mask)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A box that moves by 3 px a frame, and one that never does."""
    for name, speed in (("Still", 0), ("Gone (2)", 3)):
        folder = tmp_path / "data" / name / "img"
        folder.mkdir(parents=True)
        for index in range(FRAMES):
            cv2.imwrite(str(folder / f"{index:04d}.png"), np.full((HEIGHT, WIDTH, 3), 60, np.uint8))
        lines = [f"{20 + speed * index},40,24,20" for index in range(FRAMES)]
        (folder.parent / "groundtruth_rect.txt").write_text("\n".join(lines))
    return tmp_path / "data"


def test_evaluate_leaves_pictures_and_links_to_them(data, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation_run, "load_tracker", lambda *_: StandStill())
    monkeypatch.setattr(evaluation_run, "LongTermTracker", lambda tracker: tracker)
    output = tmp_path / "report"
    assert cli.main(["evaluate", str(data), "--baselines", "kcf", "--output", str(output)]) == 0
    page = (output / "report.md").read_text()
    links = re.findall(r"^- \[(.*)\]\((\S*)\), success AUC (\S*)$", page, re.MULTILINE)
    # The box moves by its width in eight frames: overlaps of (24 - d) / (24 + d) for d = 3, 6 .. 21, then 0.
    overlaps = [(24 - d) / (24 + d) for d in range(3, 24, 3)]
    auc = sum(np.count_nonzero(value > np.arange(21) / 20) for value in overlaps) / 21 / (FRAMES - 1)
    assert [(name, value) for name, _, value in links] == [("Gone (2)", f"{auc:.3f}"), ("Still", "0.952")]
    files = [output / unquote(link) for _, link, _ in links]
    assert sorted(output.glob("failure_examples/*")) == sorted(files)

    # The sheet has frames 0, 8, 18 and 28: from frame 8 on the overlap is 0.
    sheet = cv2.imread(str(files[0]))
    assert sheet.shape == (2 * HEIGHT + 3 * GAP_PX, 3 * WIDTH + 4 * GAP_PX, 3)
    first, eighth = (sheet[GAP_PX:, left:] for left in (GAP_PX, WIDTH + 2 * GAP_PX))
    assert is_about(first[50, 20], (255, 255, 255)), "the given box"
    assert is_about(eighth[50, 20 + 24], (255, 255, 255)), "the true box of frame 8"
    assert is_about(eighth[50, 20], target_colour(0)), "our box"
    assert eighth[45:55, 25:40, 1].mean() > 110, "our mask is green"
    assert np.abs(eighth[45:55, 52:60].astype(int) - 60).max() < 25, "the truth is not tinted"


def is_about(pixel: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """Return whether the colour is right, up to JPEG's loss on a line of one pixel."""
    return int(np.abs(pixel.astype(int) - colour).max()) < 110


def test_results_of_one_sequence_only_are_kept(data, tmp_path):
    examples = FailureExamples(tmp_path)
    for sequence in find_sequences([data]):
        for index in range(1, FRAMES):
            assert len(examples._results) == index - 1
            examples.add(sequence, index, answer(BOX))
            if index < FRAMES - 1:
                kept = examples._results[index]
                assert kept.result.mask is None
                assert kept.mask_png.nbytes < 500
    assert examples._results == {}
    assert list(examples.sheets) == ["Gone (2)", "Still"]


def test_harder_sequences_are_shown_as_they_were_tracked(data, tmp_path):
    examples = FailureExamples(tmp_path)
    (_, still) = find_sequences([data])
    small = stressed(still, "small")
    result = replace(answer(BOX * 0.4 + (5, 0, 0, 0)), mask=None)
    for index in range(1, FRAMES):
        examples.add(small, index, result)
    sheet = cv2.imread(str(examples.sheets["Still"]))
    height, width = 38, 51  # 0.4 of the picture
    assert sheet.shape == (2 * height + 3 * GAP_PX, 3 * width + 4 * GAP_PX, 3)
    cell = sheet[GAP_PX:, width + 2 * GAP_PX :]
    assert is_about(cell[20, 8], (255, 255, 255)), "the true box"
    assert is_about(cell[20, 8 + 5], target_colour(0)), "our box"


def test_networks_without_masks_and_a_full_disk(data, tmp_path):
    examples = FailureExamples(tmp_path)
    (sequence, _) = find_sequences([data])
    without = answer(BOX)
    without = TrackResult(without.box_xywh, without.rotated_box, without.confidence, None)
    for index in range(1, FRAMES):
        examples.add(sequence, index, without)
    assert cv2.imread(str(examples.sheets[sequence.name])) is not None
    with pytest.raises(OSError, match="File too large"), files_up_to(100):
        examples.add(sequence, FRAMES - 1, without)
