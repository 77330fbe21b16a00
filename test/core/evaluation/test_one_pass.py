"""One-pass evaluation with trackers whose answers are known."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from siammaskpp_core.data.sequences import DatasetError, find_sequences
from siammaskpp_core.evaluation import baselines
from siammaskpp_core.evaluation.baselines import BaselineError, make_baseline
from siammaskpp_core.evaluation.one_pass import evaluate
from siammaskpp_core.evaluation.report import report
from siammaskpp_core.io.images import MediaError

FRAMES = 6


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A textured square that moves 3 px to the right each frame: once as DAVIS, once as OTB."""
    random = np.random.default_rng(0)
    background = random.integers(0, 80, (120, 160, 3), dtype=np.uint8)
    patch = random.integers(120, 255, (30, 30, 3), dtype=np.uint8)
    folders = {
        name: tmp_path / name for name in ("JPEGImages/480p/square", "Annotations/480p/square", "square2/img")
    }
    for folder in folders.values():
        folder.mkdir(parents=True)
    pictures, masks, otb = folders.values()
    lines = []
    for index in range(FRAMES):
        x = 40 + 3 * index
        image, mask = background.copy(), np.zeros((120, 160), np.uint8)
        image[50:80, x : x + 30] = patch
        mask[50:80, x : x + 30] = 255
        lines.append(f"{x},50,30,30")
        cv2.imwrite(str(pictures / f"{index:05d}.jpg"), image)
        cv2.imwrite(str(otb / f"{index:04d}.jpg"), image)
        cv2.imwrite(str(masks / f"{index:05d}.png"), mask)
    (tmp_path / "square2/groundtruth_rect.txt").write_text("\n".join(lines))
    return tmp_path


class StandStill:
    """Always returns the first box, as a box and as a mask; finds nothing in the last frame."""

    def __init__(self, name: str, masks: bool) -> None:
        self.name, self.masks = name, masks

    def init(self, image, box_xywh):
        self.box, self.left = box_xywh, FRAMES - 1

    def update(self, image):
        self.left -= 1
        x, y, w, h = self.box.astype(int)
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[y : y + h, x : x + w] = 255
        return (self.box if self.left else None), (mask if self.masks else None)


def test_scores_by_hand(data):
    sequences = find_sequences([data / "square2", data / "JPEGImages/480p/square"])
    calls = []
    stand_ins = [StandStill("still", True), StandStill("boxes", False)]
    scores = evaluate(stand_ins, sequences, lambda *call: calls.append(call))
    result = report(scores)

    # The square is 3, 6, 9, 12 px away in frames 1 to 4 and lost in frame 5.
    overlaps = [(30 - d) / (30 + d) for d in (3, 6, 9, 12)]
    auc = sum(np.count_nonzero(o > np.arange(21) / 20) for o in overlaps) / 21 / 5
    assert list(result["trackers"]) == ["still", "boxes"]
    still, boxes = result["trackers"].values()
    assert still["auc"] == pytest.approx(auc, abs=1e-4)
    assert still["precision"] == pytest.approx(4 / 5)
    # J leaves the first and the last frame out, and the sequence without masks.
    assert still["J"] == pytest.approx(np.mean(overlaps), abs=1e-4)
    assert still["sequences"]["square2"]["J"] is None
    assert still["sequences"]["square"]["frames"] == FRAMES - 1
    assert still["frames"] == 2 * (FRAMES - 1)
    assert 0 < still["F"] < 1
    assert still["fps"] > 0
    assert boxes["auc"] == still["auc"]
    assert boxes["J"] is None
    # At 2 px none of 5 frames, at 3 px one, at 12 px four.
    precision = dict(zip(result["thresholds"]["precision"], still["curves"]["precision"], strict=True))
    assert [precision[px] for px in (0, 2, 3, 11, 12, 50)] == [0, 0, 0.2, 0.6, 0.8, 0.8]
    assert result["thresholds"]["success"][:3] == [0, 0.05, 0.1]
    assert still["curves"]["success"][0] == 0.8
    runs = [(tracker, sequence) for sequence in sequences for tracker in stand_ins]
    assert calls == [(*run, index) for run in runs for index in range(1, FRAMES)]
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("name", ["csrt", "kcf"])
def test_opencv_baselines_track_the_square(data, name):
    if not hasattr(cv2, f"Tracker{name.upper()}_create"):
        pytest.skip("this OpenCV is not the contrib build")
    sequences = find_sequences([data / "square2"])
    scores = evaluate([make_baseline(name)], sequences)
    assert scores[name]["square2"].curves.values()["auc"] > 0.7


def test_baselines_that_cannot_run_say_why(tmp_path, monkeypatch):
    with pytest.raises(
        BaselineError, match="'mosse' is not a baseline; choose from csrt, kcf, nanotrack, short-term"
    ):
        make_baseline("mosse")
    with pytest.raises(BaselineError, match="short-term belongs to --protocol ope"):
        make_baseline("short-term")
    with pytest.raises(BaselineError, match="nanotrack needs --nanotrack"):
        make_baseline("nanotrack")
    with pytest.raises(BaselineError, match=r"nanotrack_backbone_sim.onnx: no such file"):
        make_baseline("nanotrack", tmp_path)
    monkeypatch.setattr(baselines, "cv2", type("Plain", (), {"__version__": "4.9"}))
    with pytest.raises(BaselineError, match="opencv-contrib-python-headless"):
        make_baseline("csrt")


def test_damaged_nanotrack_files_are_refused(tmp_path):
    for file in baselines.NANOTRACK_FILES:
        (tmp_path / file).write_bytes(b"nothing")
    if not hasattr(cv2, "TrackerNano_create"):
        pytest.skip("this OpenCV has no TrackerNano")
    with pytest.raises(BaselineError, match="cannot load these files"):
        make_baseline("nanotrack", tmp_path)


def test_a_damaged_frame_and_an_annotation_of_another_size_are_named(data):
    (data / "square2/img/0003.jpg").write_bytes(b"nothing")
    with pytest.raises(MediaError, match=r"0003.jpg: not a readable image"):
        evaluate([StandStill("still", True)], find_sequences([data / "square2"]))
    cv2.imwrite(str(data / "Annotations/480p/square/00002.png"), np.full((10, 10), 255, np.uint8))
    with pytest.raises(DatasetError, match=r"00002.png: not the size of 00002.jpg"):
        evaluate([StandStill("still", True)], find_sequences([data / "JPEGImages/480p/square"]))
