"""`siammaskpp evaluate --protocol vot`, from a folder to its report."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import error_of, run


def write_sequence(folder: Path, count: int, absent: int = 0) -> None:
    """A textured square that moves 2 px a frame, as VOT polygons; the last `absent` frames have no label."""
    random = np.random.default_rng(len(folder.name))
    ground = cv2.GaussianBlur(random.integers(0, 120, (120, 200, 3), dtype=np.uint8), (9, 9), 0)
    patch = cv2.resize(random.integers(120, 255, (6, 6, 3), dtype=np.uint8), (36, 36))
    (folder / "color").mkdir(parents=True)
    lines = []
    for index in range(count + absent):
        left = 30 + 2 * index
        image = ground.copy()
        image[40:76, left : left + 36] = patch
        cv2.imwrite(str(folder / "color" / f"{index + 1:08d}.jpg"), image)
        lines.append(
            f"{left},40,{left + 35},40,{left + 35},75,{left},75" if index < count else "NaN,NaN,NaN,NaN"
        )
    (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path):
    write_sequence(tmp_path / "data/square", 14)
    write_sequence(tmp_path / "data/patch", 12, absent=2)
    return tmp_path / "data"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_our_tracker_and_a_baseline_from_a_folder_to_the_report(folder, tmp_path, capsys):
    pytest.importorskip("vot", reason="needs the extra [vot] and vot-toolkit")
    output = tmp_path / "report"
    assert (
        run("evaluate", folder, "--protocol", "vot", "--baselines", "csrt", "--realtime", "--output", output)
        == 0
    )

    printed = capsys.readouterr()
    assert "patch: the 12 of 14 frames where the object is labelled without a gap" in printed.err
    assert "| SiamMask++ re | VOT2018, published |    0.626 |      0.262 | 0.398 |" in printed.out
    assert "## Supervised experiment, in real time" in printed.out
    experiment = json.loads((output / "report.json").read_text())["supervised"]
    assert (experiment["sequences"], experiment["frames"]) == (2, 26)
    baseline = experiment["trackers"]["baseline"]
    assert list(baseline) == ["siammaskpp", "csrt"]
    for values in baseline.values():
        assert values["accuracy"] > 0.6
        assert values["robustness"] == 0
        assert values["eao"] > 0.6
        assert values["frames"] == 26
    names = {path.name for path in output.iterdir()}
    assert names == {"report.md", "report.json", "accuracy_robustness.png", "workspaces"}
    # The workspace holds the files for the toolkit's own reports, with the confidences of our tracker.
    results = output / "workspaces/supervised/results/siammaskpp/baseline/square"
    confidence = (results / "square_001_confidence.value").read_text().split()
    assert len(confidence) == 13
    assert all(0 <= float(value) <= 1 for value in confidence)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ctrl_c_keeps_the_sequences_that_are_finished(folder, tmp_path):
    """The terminal sends the signal to the trackers as well."""
    pytest.importorskip("vot", reason="needs the extra [vot] and vot-toolkit")
    write_sequence(folder / "zebra", 60)
    output = tmp_path / "report"
    arguments = ["evaluate", folder, "--protocol", "vot", "--realtime", "--output", output]
    process = subprocess.Popen(
        [sys.executable, "-m", "siammaskpp_core.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    finished = "workspaces/supervised/results/siammaskpp/realtime/square/*.bin"
    while not list(tmp_path.glob(f".*/{finished}")):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "what was finished has been kept" in err
    assert "## Supervised experiment, in real time" in out
    experiment = json.loads((output / "report.json").read_text())["supervised"]
    assert (experiment["sequences"], experiment["frames"]) == (2, 26)
    assert experiment["trackers"]["baseline"]["siammaskpp"]["robustness"] == 0
    with pytest.raises(ProcessLookupError):  # no tracker is left
        os.killpg(process.pid, 0)


def test_bad_input_is_refused_before_anything_runs(folder, tmp_path, capsys):
    pytest.importorskip("vot", reason="needs the extra [vot] and vot-toolkit")
    vot = ("--protocol", "vot", "--output", tmp_path / "report")
    (tmp_path / "empty").mkdir()
    assert "no sequences found" in error_of(capsys, "evaluate", tmp_path / "empty", *vot)
    assert "is not a baseline" in error_of(capsys, "evaluate", folder, "--baselines", "mosse", *vot)
    assert "nanotrack needs --nanotrack" in error_of(
        capsys, "evaluate", folder, "--baselines", "nanotrack", *vot
    )
    assert "has no bf16" in error_of(capsys, "evaluate", folder, "--precision", "bf16", *vot)
    assert "have no real-time experiment" in error_of(
        capsys, "evaluate", folder, "--vot-year", 2016, "--realtime", *vot
    )
    write_sequence(folder / "short", 5)
    assert "short: VOT needs at least 12 frames" in error_of(capsys, "evaluate", folder / "short", *vot)
    assert not (tmp_path / "report").exists()


def test_without_the_toolkit_it_says_what_to_install(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "vot", None)
    for name in list(sys.modules):
        if name.startswith(("vot.", "siammaskpp_core.evaluation.vot.")):
            monkeypatch.delitem(sys.modules, name)
    error = error_of(capsys, "evaluate", folder, "--protocol", "vot")
    assert "pip install 'siammaskpp[vot]', then pip install --no-deps vot-toolkit==0.7.4" in error
