"""The subcommand `evaluate`, with a tracker that follows a bright square."""

import json
import re
import sys

import pytest
from bright_square import BrightSquare
from colour_engine import ColourEngine
from command import FRAMES, error_of, run, use_tracker

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
    lines = ["20,30,25,20"] * 2 + ["NaN,NaN,NaN,NaN"] * (FRAMES - 2)
    (folder.parent / "groundtruth_rect.txt").write_text("\n".join(lines))
    assert "Square: the object must be" in error_of(capsys, "evaluate", folder.parent, "--stress", "skip")


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
