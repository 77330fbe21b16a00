"""The command, run in this process with a tracker that follows a bright square."""

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bright_square import BrightSquare

from siammaskpp_core.cli import main as cli
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.io.results import COLUMNS
from siammaskpp_core.io.video import Frames, VideoWriter, open_frames
from siammaskpp_core.network.protocol import EngineError
from siammaskpp_core.tracking.boxes import mask_bounding_box

FRAMES = 8


@pytest.fixture(autouse=True)
def fake_tracker(monkeypatch):
    use_tracker(monkeypatch, BrightSquare)


def use_tracker(monkeypatch, make, chosen=None):
    """Let the commands track with `make()`; the arguments of the loader are appended to `chosen`."""

    def load_tracker(*arguments):
        if chosen is not None:
            chosen.append(arguments)
        return make()

    monkeypatch.setattr("siammaskpp_core.engines.load.load_tracker", load_tracker)
    monkeypatch.setattr("siammaskpp_core.tracking.LongTermTracker", lambda tracker: tracker)


def pictures() -> list[np.ndarray]:
    images = [np.full((96, 128, 3), 40, np.uint8) for _ in range(FRAMES)]
    for index, image in enumerate(images):
        image[30:50, 20 + 4 * index : 45 + 4 * index] = 255
    return images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "Square" / "img"
    path.mkdir(parents=True)
    for index, image in enumerate(pictures()):
        cv2.imwrite(str(path / f"{index:04d}.png"), image)
    lines = [f"{20 + 4 * index},30,25,20" for index in range(FRAMES)]
    (path.parent / "groundtruth_rect.txt").write_text("\n".join(lines))
    return path


def run(*arguments) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_help_needs_neither_opencv_nor_a_runtime():
    code = (
        "import sys; from siammaskpp_core.cli import main as cli\n"
        "try: cli.main(['track', '-h'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'cv2', 'torch', 'onnxruntime') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--box X,Y,W,H" in output
    assert output.splitlines()[-1] == "[]"
    columns = output[output.index("columns of the CSV file") :]
    assert [name for name in COLUMNS if not re.search(rf"\b{name}\b", columns)] == []


def test_track_writes_everything_asked_for(folder, tmp_path, capsys):
    overlay, masks, table = tmp_path / "overlay.mp4", tmp_path / "masks", tmp_path / "tracks.csv"
    box = ("--box", "20,30,25,20")
    assert run("track", folder, *box, "--output", overlay, "--masks", masks, "--csv", table) == 0

    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(FRAMES))
    expected = {"x": 32, "y": 30, "width": 25, "height": 20, "center_x": 44.5, "center_y": 40}
    expected |= {
        "rotated_width": 25,
        "rotated_height": 20,
        "angle_rad": 0,
        "confidence": 0.75,
        "stamp_s": 0.12,
    }
    assert {key: float(rows[3][key]) for key in expected} == expected
    assert rows[3]["id"] == "target"

    files = sorted(masks.iterdir())
    assert [file.name for file in files] == [f"{index:06d}.png" for index in range(FRAMES)]
    mask = cv2.imread(str(files[3]), cv2.IMREAD_UNCHANGED)
    assert mask_bounding_box(mask).tolist() == [32, 30, 25, 20]

    frames = list(open_frames(overlay))
    assert len(frames) == FRAMES
    blue, green, _ = frames[3][40, 44].astype(int)
    assert green > blue + 30, "the square is tinted"
    output = capsys.readouterr()
    assert output.out.startswith(f"{FRAMES} frames, ")
    assert "fps" in output.out
    assert f"{FRAMES}/{FRAMES}" in output.err, "progress"


def test_where_the_object_is_not_seen_there_is_no_place(folder, tmp_path):
    cv2.imwrite(str(folder / "0005.png"), np.full((96, 128, 3), 40, np.uint8))
    overlay, masks, table = tmp_path / "overlay.avi", tmp_path / "masks", tmp_path / "tracks.csv"
    outputs = ("--output", overlay, "--masks", masks, "--csv", table)
    assert run("track", folder, "--box", "20,30,25,20", *outputs) == 0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["TRACKING"] * 5 + ["LOST"] + ["TRACKING"] * 2
    assert [key for key in rows[5] if rows[5][key]] == ["stamp_s", "frame", "id", "state", "confidence"]
    assert not cv2.imread(str(masks / "000005.png")).any()
    frames = list(open_frames(overlay))
    assert np.abs(frames[5].astype(int) - 40).max() < 8, "nothing is drawn"


def test_looking_for_the_first_frames_mask_leaves_the_target_alone(folder, monkeypatch):
    seen = []

    class Drifting(BrightSquare):
        def step(self, image, targets, stamp_ns):
            (target,) = targets
            place = target.track.place
            seen.append((place.center_x, stamp_ns))
            target.track = replace(target.track, place=place._replace(center_x=place.center_x + 1))
            return super().step(image, targets, stamp_ns)

    use_tracker(monkeypatch, Drifting)
    assert run("track", folder, "--box", "20,30,24,20") == 0
    assert [x for x, _ in seen[:3]] == [32, 33, 34]
    assert seen[2][1] == 3 * 40_000_000, "25 frames a second, where nothing else is known"


def test_track_takes_the_kind_of_rotated_box(folder, monkeypatch):
    chosen = []
    use_tracker(monkeypatch, BrightSquare, chosen)
    assert run("track", folder, "--box", "20,30,25,20") == 0
    assert run("track", folder, "--box", "20,30,25,20", "--rotated-box", "ellipse") == 0
    assert [rotated_box for _, _, rotated_box in chosen] == [None, "ellipse"]


def test_track_reads_video_files(tmp_path, capsys):
    with VideoWriter(tmp_path / "clip.mp4", (128, 96), 10) as writer:
        for image in pictures():
            writer.write(image)
    assert run("track", tmp_path / "clip.mp4", "--box", "20,30,25,20") == 0
    assert capsys.readouterr().out.startswith(f"{FRAMES} frames")


@pytest.mark.parametrize("is_camera", [False, True])
def test_ctrl_c_ends_a_camera_with_complete_outputs_and_discards_those_of_a_file(
    is_camera, tmp_path, monkeypatch
):
    class Interrupted(BrightSquare):
        steps = 0

        def step(self, *arguments):
            self.steps += 1
            if self.steps == 3:
                raise KeyboardInterrupt
            return super().step(*arguments)

    frames = Frames("test", (128, 96), None, None, is_camera, iter(pictures()))
    monkeypatch.setattr("siammaskpp_core.io.video.open_frames", lambda source: frames)
    use_tracker(monkeypatch, Interrupted)
    table = tmp_path / "tracks.csv"
    code = run("track", "0", "--box", "20,30,25,20", "--csv", table)
    if is_camera:
        assert code == 0
        assert len(table.read_text().splitlines()) == 1 + 3
    else:
        assert code == 130
        assert list(tmp_path.iterdir()) == []


def error_of(capsys, *arguments) -> str:
    """The one line that a refused command prints."""
    assert run(*arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def test_bad_boxes_and_damaged_frames_leave_nothing_behind(folder, tmp_path, capsys):
    overlay, table = tmp_path / "overlay.mp4", tmp_path / "tracks.csv"
    outputs = ("--output", overlay, "--csv", table)
    for box, cause in [
        ("500,10,20,20", "outside the 128x96 image"),
        ("1,1,0,5", "empty"),
        ("nan,1,5,5", "finite"),
    ]:
        assert cause in error_of(capsys, "track", folder, "--box", box, *outputs)
    (folder / "0005.png").write_bytes(b"")
    assert "0005.png: not a readable image" in error_of(
        capsys, "track", folder, "--box", "20,30,25,20", *outputs
    )
    assert [path.name for path in tmp_path.iterdir()] == ["Square"]


def test_bad_sources_and_outputs(folder, tmp_path, capsys):
    box = ("--box", "20,30,25,20")
    assert "no such file" in error_of(capsys, "track", "missing.mp4", *box)
    assert "create it first" in error_of(capsys, "track", folder, *box, "--csv", tmp_path / "no/tracks.csv")
    assert "written as" in error_of(capsys, "track", folder, *box, "--output", tmp_path / "overlay.gif")
    clip = tmp_path / "clip.avi"
    with VideoWriter(clip, (128, 96), 10) as writer:
        writer.write(pictures()[0])
    assert "is the video to be read" in error_of(capsys, "track", clip, *box, "--output", clip)
    assert len(list(open_frames(clip))) == 1


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", ""])
def test_boxes_that_are_not_four_numbers(box, capsys):
    with pytest.raises(SystemExit) as error:
        run("track", "clip.mp4", "--box", box)
    assert error.value.code == 2
    assert "four numbers X,Y,W,H are expected" in capsys.readouterr().err


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


def test_evaluate_refuses_bad_input_before_it_runs(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(BrightSquare, "init", lambda *_: pytest.fail("it runs"))
    output = ("--output", tmp_path / "report")
    assert "no such folder" in error_of(capsys, "evaluate", tmp_path / "missing", *output)
    assert "is not a baseline" in error_of(capsys, "evaluate", tmp_path, "--baselines", "mosse", *output)
    assert "create it first" in error_of(capsys, "evaluate", tmp_path, "--output", tmp_path / "no/report")
    assert "not an empty folder" in error_of(capsys, "evaluate", tmp_path, "--output", folder)
    for option in (["--realtime"], ["--vot-year", "2018"], ["--rotated-box", "ellipse"]):
        assert "belong to --protocol vot" in error_of(capsys, "evaluate", tmp_path, *option)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "siammaskpp_core.evaluation.plots", raising=False)
    assert "pip install 'siammaskpp[eval]'" in error_of(capsys, "evaluate", tmp_path, *output)
    assert [path.name for path in tmp_path.iterdir()] == ["Square"]


def test_track_and_evaluate_pass_the_engine_on(folder, monkeypatch):
    calls = []
    use_tracker(monkeypatch, BrightSquare, calls)
    chosen = (
        "--model",
        "m",
        "--engine",
        "openvino",
        "--precision",
        "bf16",
        "--threads",
        "2",
        "--cpu-affinity",
    )
    assert run("track", folder, "--box", "20,30,25,20", *chosen) == 0
    assert run("evaluate", folder.parent, *chosen) == 0
    options = EngineOptions("openvino", "bf16", 2, True)
    assert calls == [(Path("m"), options, None), (Path("m"), options)]


def test_only_errors_that_the_user_can_mend_are_told_in_one_line(folder, monkeypatch, capsys):
    def fail(kind):
        def load_tracker():
            raise kind("no such engine")

        use_tracker(monkeypatch, load_tracker)

    fail(EngineError)
    assert error_of(capsys, "track", folder, "--box", "1,1,9,9") == "error: no such engine"
    with pytest.raises(EngineError):
        run("--traceback", "track", folder, "--box", "1,1,9,9")
    fail(lambda text: FileNotFoundError(2, text, "a.onnx"))
    assert "no such engine: 'a.onnx'" in error_of(capsys, "track", folder, "--box", "1,1,9,9")
    for kind in (RuntimeError, ValueError, ImportError, OSError):
        fail(kind)
        with pytest.raises(kind):
            run("track", folder, "--box", "1,1,9,9")


def test_a_mistake_in_the_program_shows_its_traceback():
    code = (
        "import sys; from siammaskpp_core.cli import main, bench\n"
        "bench.run = lambda options: int('no number')\n"
        "sys.exit(main.main(['bench']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
    assert "ValueError: invalid literal" in ended.stderr


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (
            "siammaskpp_core.training.experiment",
            ["train", "--config", "a.yaml", "--data", "d", "--output", "o"],
        ),
        ("siammaskpp_core.engines.export.onnx", ["export", "last.pt", "--output", "o"]),
    ],
)
def test_training_says_what_to_install(module, arguments, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    # Others may have imported it, or what it imports, with torch.
    for name in list(sys.modules):
        if name == module or name.startswith(("siammaskpp_core.network.", "siammaskpp_core.training.")):
            monkeypatch.delitem(sys.modules, name)
    assert "pip install 'siammaskpp[train]'" in error_of(capsys, *arguments)


def test_train_and_export_pass_their_arguments_on(monkeypatch):
    calls = []
    for module, function in [("training.experiment", "train"), ("engines.export.onnx", "export")]:
        fake = type(sys)(f"siammaskpp_core.{module}")
        setattr(fake, function, lambda *arguments, **named: calls.append((arguments, named)))
        monkeypatch.setitem(sys.modules, fake.__name__, fake)
    assert (
        run(
            "train", "--config", "a.yaml", "--data", "d", "--output", "o", "--steps", 7, "--picture-memory", 3
        )
        == 0
    )
    assert run("export", "last.pt", "--output", "m") == 0
    assert calls == [
        (
            (Path("a.yaml"), Path("d"), Path("o")),
            {"steps": 7, "init": None, "workers": 1, "memory_bytes": 3_000_000},
        ),
        (([Path("last.pt")], Path("m")), {}),
    ]
