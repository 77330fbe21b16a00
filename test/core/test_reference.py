"""The reference pages are made without a warning, and show what the library offers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import siammaskpp_core

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_reference_pages_can_be_made(tmp_path):
    pytest.importorskip("sphinx", reason="the extra [docs] is not installed")
    pytest.importorskip("furo", reason="the extra [docs] is not installed")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", str(ROOT / "docs/reference"), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "library.html").read_text(encoding="utf-8")
    missing = [name for name in siammaskpp_core.__all__ if name not in page and name.strip("_").islower()]
    assert [name for name in missing if name != "__version__"] == []
    assert "TypeAliasForwardRef" not in page
