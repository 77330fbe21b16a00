"""The tracker node with the default network and an engine that fails on request.

Arguments: FAULT_FILE [ROS arguments]. The file holds one word, a key of :data:`FAULTS`; with any other word
the engine works.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from siammaskpp_core.arrays import Float32Array, Image
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import read_model
from siammaskpp_core.network.protocol import SearchOutput
from siammaskpp_core.tracking import Tracker
from siammaskpp_core.tracking.long_term.tracker import LongTermTracker
from siammaskpp_ros.tracker.node import main

Answers = list[SearchOutput]
SLOW_S = 0.6


class FaultyEngine:
    """A real engine whose search can fail."""

    def __init__(self, fault_file: Path) -> None:
        self._engine = load_engine(read_model(DEFAULT_MODEL), EngineOptions(threads=1))
        self._file = fault_file
        self.name = self._engine.name
        self.refine = self._engine.refine
        self.newest_kernels = np.empty(0, np.float32)

    def encode_template(self, crops: Image) -> Float32Array:
        self.newest_kernels = self._engine.encode_template(crops)
        return self.newest_kernels

    def search(self, crops: Image, kernels: list[Float32Array]) -> Answers:
        fault = FAULTS.get(self.fault())
        self.is_newest = [np.shares_memory(each, self.newest_kernels) for each in kernels]
        answers = self._engine.search(crops, kernels)
        return fault(self, answers) if fault else answers

    def fault(self) -> str:
        return self._file.read_text(encoding="utf-8").strip()


def _raise(engine: FaultyEngine, answers: Answers) -> Answers:
    raise RuntimeError("an illegal memory access was encountered")


def _out_of_memory(engine: FaultyEngine, answers: Answers) -> Answers:
    raise MemoryError("cannot allocate 512 MB")


def _hang(engine: FaultyEngine, answers: Answers) -> Answers:
    while engine.fault() == "hang":
        time.sleep(0.05)
    return answers


def _slow(engine: FaultyEngine, answers: Answers) -> Answers:
    time.sleep(SLOW_S)
    return answers


def _nan(engine: FaultyEngine, answers: Answers) -> Answers:
    return [answer._replace(cls=np.full_like(answer.cls, np.nan)) for answer in answers]


def _nan_for_the_newest_target(engine: FaultyEngine, answers: Answers) -> Answers:
    broken = _nan(engine, answers)
    pairs = zip(broken, answers, engine.is_newest, strict=True)
    return [bad if is_newest else good for bad, good, is_newest in pairs]


def _wrong_shape(engine: FaultyEngine, answers: Answers) -> Answers:
    return [answer._replace(cls=answer.cls[:, :-2, :-2]) for answer in answers]


FAULTS: dict[str, Callable[[FaultyEngine, Answers], Answers]] = {
    "raise": _raise,
    "out_of_memory": _out_of_memory,
    "hang": _hang,
    "slow": _slow,
    "nan": _nan,
    "nan_for_the_newest_target": _nan_for_the_newest_target,
    "wrong_shape": _wrong_shape,
}


if __name__ == "__main__":
    file = Path(sys.argv[1])
    sys.exit(main(sys.argv[2:], lambda *_: LongTermTracker(Tracker(FaultyEngine(file)))))
