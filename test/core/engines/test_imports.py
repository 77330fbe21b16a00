"""A runtime that is missing, and one that is installed and cannot be loaded."""

import subprocess
import sys

import pytest

WITH_LITTLE_MEMORY = """
import resource
from pathlib import Path
import siammaskpp_core.engines.{module}
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import read_model
from siammaskpp_core.network.protocol import EngineError
model = read_model(DEFAULT_MODEL)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 12_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    load_engine(model, EngineOptions("{engine}"))
except EngineError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is that of Linux")
@pytest.mark.parametrize(("engine", "module"), [("onnxruntime", "onnx_runtime"), ("openvino", "openvino")])
def test_a_limit_on_memory_is_not_a_missing_package(engine, module):
    pytest.importorskip(engine)
    program = WITH_LITTLE_MEMORY.format(engine=engine, module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "is installed, but cannot be loaded (" in done.stdout, done
    assert "check the limit on memory" in done.stdout


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_missing_package_is_named(engine):
    program = f"""
import sys
sys.modules["{engine}"] = None
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.network.protocol import EngineError
try:
    load_tracker(options=EngineOptions("{engine}"))
except EngineError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "is not installed: pip install" in done.stdout, done


def test_ctrl_c_after_two_engines_of_openvino_is_no_segmentation_fault():
    """Two engines in one process: a training makes one for each of its stages."""
    pytest.importorskip("openvino")
    program = """
import gc, signal
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import read_model
first, second = (load_engine(read_model(DEFAULT_MODEL), EngineOptions("openvino")) for _ in range(2))
del first
gc.collect()
del second
gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done
