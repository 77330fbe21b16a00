"""The subcommand `evaluate`, with a tracker that follows a bright square."""

import json
import re
import shutil
import signal
import sys

import cv2
import pytest
from bright_square import BrightSquare
from colour_engine import ColourEngine
from command import FRAMES, error_of, run, use_tracker
from limits import files_up_to

from siammaskpp_core.tracking import LongTermTracker, Tracker


def test_evaluate_prints_tables_and_writes_a_report(folder, tmp_path, capsys):
    output = tmp_path / "report"
    assert run("evaluate", folder.parent, "--baselines", "kcf", "--output", output) == 0
    assert "| siammaskpp |       0.952 |" in capsys.readouterr().out
    result = json.loads((output / "report.json").read_text())
    assert list(result["trackers"]) == ["siammaskpp", "kcf"]
    own = result["trackers"]["siammaskpp"]
    assert own["auc"] == pytest.approx(20 / 21, abs=1e-4), "no truth of this kind can be matched better"
    assert own["precision"] == 1
    assert own["J"] is None
    assert list(own["sequences"]) == ["Square"]

    text = (output / "report.md").read_text()
    pictures = re.findall(r"!\[.*\]\((.*)\)", text)
    assert sorted(pictures) == sorted(file.name for file in output.glob("*.png"))
    assert len(pictures) == 4
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_evaluate_on_harder_sequences(folder, tmp_path, capsys):
    output = tmp_path / "report"
    assert run("evaluate", folder.parent, "--stress", "skip", "--noise", "5", "--output", output) == 0
    result = json.loads((output / "report.json").read_text())
    assert (result["stress"], result["noise_seed"]) == ("skip", 5)
    own = result["trackers"]["siammaskpp"]
    assert (own["auc"], own["frames"]) == (pytest.approx(20 / 21, abs=1e-4), 2)


def test_evaluate_names_a_sequence_of_which_skip_leaves_too_little(folder, capsys):
    copy = shutil.copytree(folder.parent, folder.parents[1] / "Short")
    lines = ["20,30,25,20"] * 2 + ["NaN,NaN,NaN,NaN"] * (FRAMES - 2)
    (copy / "groundtruth_rect.txt").write_text("\n".join(lines))
    assert "Short: the object must be" in error_of(capsys, "evaluate", copy, "--stress", "skip")
    assert run("evaluate", folder.parents[1], "--stress", "skip") == 3
    output = capsys.readouterr()
    assert "Short: the object must be" in output.err
    assert "| Square" in output.out


def test_the_short_term_tracker_shares_the_engine(folder, capsys, monkeypatch):
    engine, loaded = ColourEngine(), []
    use_tracker(monkeypatch, lambda: Tracker(engine), loaded)
    monkeypatch.setattr("siammaskpp_core.evaluation.run.LongTermTracker", LongTermTracker)
    assert run("evaluate", folder.parent, "--baselines", "short-term,kcf", "--threads", "3") == 0
    ((_, options),) = loaded
    assert options.threads == 3
    rows = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines()[:5]]
    assert [name.strip() for name, _ in rows[2:]] == ["siammaskpp", "short-term", "kcf"]
    assert min(float(auc) for _, auc in rows[2:4]) > 0.8
    assert sum(engine.searched) >= 2 * (FRAMES - 1)


def test_evaluate_refuses_bad_input_before_it_runs(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(BrightSquare, "init", lambda *_: pytest.fail("it runs"))
    output = ("--output", tmp_path / "report")
    assert "no such folder" in error_of(capsys, "evaluate", tmp_path / "missing", *output)
    assert "is not a baseline" in error_of(capsys, "evaluate", tmp_path, "--baselines", "mosse", *output)
    assert "create it first" in error_of(capsys, "evaluate", tmp_path, "--output", tmp_path / "no/report")
    assert "not an empty folder" in error_of(capsys, "evaluate", tmp_path, "--output", folder)
    for option in (["--realtime"], ["--vot-year", "2018"], ["--rotated-box", "ellipse"]):
        assert "belong to --protocol vot" in error_of(capsys, "evaluate", tmp_path, *option)
    for protocol in ("vot", "target-absent", "identity"):
        for option in (["--stress", "small"], ["--noise", "1"]):
            error = error_of(capsys, "evaluate", tmp_path, "--protocol", protocol, *option)
            assert "--stress and --noise belong to --protocol ope" in error
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "siammaskpp_core.evaluation.plots", raising=False)
    assert "pip install 'siammaskpp[eval]'" in error_of(capsys, "evaluate", tmp_path, *output)
    assert [path.name for path in tmp_path.iterdir()] == ["Square"]


def damaged_copies(folder):
    """A damaged frame, a box outside the image, and a ground truth without numbers beside the good one."""
    for name in ("Damaged", "Outside", "Text"):
        shutil.copytree(folder.parent, folder.parents[1] / name)
    (folder.parents[1] / "Damaged/img/0004.png").write_bytes(b"")
    (folder.parents[1] / "Outside/groundtruth_rect.txt").write_text("900,30,25,20\n" * FRAMES)
    (folder.parents[1] / "Text/groundtruth_rect.txt").write_text("here\n" * FRAMES)


def test_sequences_that_cannot_be_evaluated_are_left_out_and_named(folder, tmp_path, capsys):
    damaged_copies(folder)
    output = tmp_path / "report"
    assert run("evaluate", tmp_path, "--baselines", "kcf", "--output", output) == 3
    shown = capsys.readouterr()
    assert "| siammaskpp |       0.952 |" in shown.out
    assert "left out: 3\n" in shown.err
    result = json.loads((output / "report.json").read_text())
    assert list(result["trackers"]["siammaskpp"]["sequences"]) == ["Square"]
    assert len(result["left_out"]) == 3
    text = (output / "report.md").read_text()
    for cause in ("0004.png: not a readable image", "Outside: the first frame's box", "line 1: 4 numbers"):
        assert cause in shown.err
        assert cause in text
        assert cause in " ".join(result["left_out"])
    assert re.findall(r"- \[(.*)\]\(failure", text) == ["Square"]


def test_a_sequence_left_out_in_its_middle_leaves_no_examples_to_the_next(folder, tmp_path):
    """The damaged sequence comes first and has more frames."""
    copy = shutil.copytree(folder.parent, folder.parents[1] / "Long")
    for index in range(FRAMES, 2 * FRAMES):
        shutil.copy(folder / "0003.png", copy / f"img/{index:04d}.png")
    (copy / "groundtruth_rect.txt").write_text("20,30,25,20\n" * 2 * FRAMES)
    (copy / f"img/{2 * FRAMES - 1:04d}.png").write_bytes(b"")
    output = tmp_path / "report"
    assert run("evaluate", tmp_path, "--output", output) == 3
    assert [path.name for path in (output / "failure_examples").iterdir()] == ["Square.jpg"]
    assert cv2.imread(str(output / "failure_examples/Square.jpg")).shape[0] > 50


def test_nothing_that_can_be_evaluated_is_an_error(folder, tmp_path, capsys):
    (folder / "0004.png").write_bytes(b"")
    error = error_of(capsys, "evaluate", folder.parent, "--output", tmp_path / "report")
    assert "no sequence can be evaluated: " in error
    assert "0004.png: not a readable image" in error
    assert not (tmp_path / "report").exists()


def test_ctrl_c_keeps_the_sequences_that_are_finished(folder, tmp_path, capsys, monkeypatch):
    shutil.copytree(folder.parent, folder.parents[1] / "Later")
    steps = []

    class Interrupted(BrightSquare):
        def step(self, *arguments):
            steps.append(arguments)
            if len(steps) == FRAMES + 2:
                signal.raise_signal(signal.SIGINT)
            return super().step(*arguments)

    use_tracker(monkeypatch, Interrupted)
    output = tmp_path / "report"
    assert run("evaluate", tmp_path, "--output", output) == 130
    assert len(steps) == FRAMES + 2
    assert "| siammaskpp |       0.952 |" in capsys.readouterr().out
    result = json.loads((output / "report.json").read_text())
    assert list(result["trackers"]["siammaskpp"]["sequences"]) == ["Later"]
    steps[:] = [None] * (FRAMES + 1 - 3)  # in the first sequence there is nothing to keep
    assert run("evaluate", tmp_path, "--output", tmp_path / "other") == 130
    assert not (tmp_path / "other").exists()


def test_a_full_disk_leaves_no_report(folder, tmp_path, capsys):
    with files_up_to(500):
        error = error_of(capsys, "evaluate", folder.parent, "--output", tmp_path / "report")
    assert "report: not written (File too large); make space" in error
    assert [path.name for path in tmp_path.iterdir()] == ["Square"]
