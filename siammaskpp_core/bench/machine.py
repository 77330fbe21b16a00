"""Description of the machine on which times are measured, and the memory of this process."""

from __future__ import annotations

import platform
import resource
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2

from siammaskpp_core.engines.graph_engine import allowed_cores


def peak_rss_mb() -> float:
    """Return the largest resident memory of this process so far, in MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage also counts the memory of the parent at the time of the fork
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def machine(packages: Iterable[str]) -> dict[str, Any]:
    """Return what a time depends on: processor, number of cores this process may use, versions.

    `packages` are listed beside siammaskpp and numpy if they are installed.
    """
    versions = {name: found for name in ("siammaskpp", "numpy", *packages) if (found := _version(name))}
    return {
        "processor": _processor(),
        "cores": len(allowed_cores()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        **versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
