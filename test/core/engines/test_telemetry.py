"""Nothing that this package starts reports to the makers of the runtimes: no file, no connection."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

TRACK = """
import numpy
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
load_tracker(options=EngineOptions("{engine}")).init(
    numpy.zeros((240, 320, 3), numpy.uint8), (100, 100, 40, 40)
)
"""
OPERATIONS = """
from siammaskpp_core.bench.operations import count_operations
from siammaskpp_core.engines.load import DEFAULT_MODEL
count_operations(DEFAULT_MODEL / "template.onnx")
"""
PROGRAMS = {
    "onnxruntime": TRACK.format(engine="onnxruntime"),
    "openvino": TRACK.format(engine="openvino"),
    "onnxruntime.quantization": "import siammaskpp_core.engines.export.quantise",
    "onnx": OPERATIONS,
}
CHOICES = {"ORT_DISABLE_TELEMETRY", "CI"}


def start(package: str, folder: Path) -> subprocess.Popen:
    """Start the program of a package; it has its home in `folder`, and 2 s at its end for a report."""
    home = folder / "home"
    home.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if name not in CHOICES}
    environment |= {"HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        environment[name] = str(home / name)
    program = [sys.executable, "-c", PROGRAMS[package] + "\nimport time; time.sleep(2)"]
    if shutil.which("strace"):
        trace = folder / "trace"
        program = ["strace", "-f", "-qq", "-e", "trace=socket", "-o", str(trace), *program]
    return subprocess.Popen(program, env=environment)


def test_no_file_and_no_connection(tmp_path):
    """The programs run at the same time, because most of their time is waiting."""
    installed = [package for package in PROGRAMS if importlib.util.find_spec(package.partition(".")[0])]
    assert "onnxruntime" in installed
    started = {package: start(package, tmp_path / package) for package in installed}
    try:
        codes = {package: process.wait(110) for package, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
    assert codes == dict.fromkeys(installed, 0)
    for package in installed:
        home, trace = tmp_path / package / "home", tmp_path / package / "trace"
        assert [str(path) for path in home.rglob("*") if path.is_file()] == []
        assert not trace.exists() or "AF_INET" not in trace.read_text(), package


def test_a_choice_of_the_user_stays():
    """ORT_DISABLE_TELEMETRY=0 turns the telemetry of ONNX Runtime on again."""
    program = "import os, siammaskpp_core; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    for given, kept in (("0", "0"), ("", "1")):
        environment = dict(os.environ, ORT_DISABLE_TELEMETRY=given)
        if not given:
            del environment["ORT_DISABLE_TELEMETRY"]
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
        )
        assert done.stdout.strip() == kept


def test_training_with_a_frozen_backbone_loads_no_telemetry():
    program = """
import sys
from torch import nn
from siammaskpp_core.training.frozen import FrozenBackbone

class Mean(nn.Module):
    def forward(self, pixels):
        return pixels.float().mean(dim=(1, 2)), None

FrozenBackbone(Mean(), 1, False)
print(sorted(name for name in sys.modules if name.startswith("openvino_telemetry")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert done.stdout == "[]\n", done
