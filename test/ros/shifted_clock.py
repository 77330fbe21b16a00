"""A process whose system time a test can set, as chrony or an operator sets that of a robot."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_suffix(".c")


class ShiftedClock:
    """The system time of the processes that are started with :attr:`environment`."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("a C compiler is needed to shift the clock of a process")
        library = folder / "shifted_clock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE], check=True)
        self._file = folder / "shift_s"
        self._shift_s = 0
        self.set_back(0)
        self.environment = {"LD_PRELOAD": str(library), "SHIFTED_CLOCK": str(self._file)}

    def set_back(self, by_s: int) -> None:
        """Set the time back by whole seconds."""
        self._shift_s -= by_s
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", self._shift_s))

    def now_s(self) -> float:
        return time.time() + self._shift_s
