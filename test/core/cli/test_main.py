"""The command: light imports, errors, and arguments that are passed on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from bright_square import BrightSquare
from command import error_of, run, use_tracker

from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.io.results import COLUMNS
from siammaskpp_core.network.protocol import EngineError


def test_help_needs_neither_opencv_nor_a_runtime():
    code = (
        "import sys; from siammaskpp_core.cli import main as cli\n"
        "try: cli.main(['track', '-h'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'cv2', 'torch', 'onnxruntime') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--box [LABEL=]X,Y,W,H" in output
    assert output.splitlines()[-1] == "[]"
    columns = output[output.index("columns of the CSV file") :]
    assert [name for name in COLUMNS if not re.search(rf"\b{name}\b", columns)] == []


def test_track_and_evaluate_pass_the_engine_on(folder, monkeypatch):
    calls = []
    use_tracker(monkeypatch, BrightSquare, calls)
    engine = ("--engine", "openvino", "--precision", "bf16", "--threads", "2", "--cpu-affinity")
    chosen = ("--model", "m", *engine)
    assert run("track", folder, "--box", "20,30,25,20", *chosen) == 0
    assert run("evaluate", folder.parent, *chosen) == 0
    options = EngineOptions("openvino", "bf16", threads=2, cpu_affinity=True)
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


def test_opencv_may_be_missing_and_nothing_else(folder, monkeypatch, capsys):
    monkeypatch.setitem(
        sys.modules, "siammaskpp_core.io.video", None
    )  # not yet imported, as in a new process
    monkeypatch.delitem(sys.modules, "siammaskpp_core.io.video")
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert run("track", folder, "--box", "20,30,25,20") == 2
    assert "pip install opencv-python, or opencv-python-headless" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "siammaskpp_core.io.video", None)
    with pytest.raises(ModuleNotFoundError):
        run("track", folder, "--box", "20,30,25,20")


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
    files = ("--config", "a.yaml", "--data", "d", "--output", "o")
    assert run("train", *files, "--steps", 7, "--image-cache", 3) == 0
    assert run("export", "last.pt", "--output", "m") == 0
    assert calls == [
        (
            (Path("a.yaml"), Path("d"), Path("o")),
            {"steps": 7, "init": None, "workers": 1, "cache_bytes": 3_000_000},
        ),
        (([Path("last.pt")], Path("m")), {}),
    ]
