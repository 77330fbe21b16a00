"""The journal of a run: its results frame by frame, and the memory of its targets, on disk.

A run that was interrupted is started again with the same journal: the results that are there are handed to
the writers once more, without the network, and tracking goes on behind them as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
import shutil
import sqlite3
import time
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from siammaskpp_core import __version__
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.frame import Frame
from siammaskpp_core.io.images import visible_files
from siammaskpp_core.offline.results import TargetResult
from siammaskpp_core.offline.session import Session
from siammaskpp_core.offline.writers.formats import OutputPlan
from siammaskpp_core.offline.writers.rle import rle_counts, rle_mask
from siammaskpp_core.tracking import RotatedBox, State, TrackResult

SAVE_S = 2.0
"""Time after which the journal is saved again; a power cut costs so much work."""
_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS frames (number INTEGER PRIMARY KEY, targets BLOB);
CREATE TABLE IF NOT EXISTS memory (number INTEGER, targets BLOB);
"""


def run_key(source: Path, **values: Any) -> str:
    """Return a digest of a run on a recording; runs with equal ones have equal results.

    `values` are the settings, as JSON can hold them. The files of `source` and of a `model` folder count with
    their sizes and times of change, and so does the version of this package.
    """
    folders = [source] + ([Path(values["model"])] if values.get("model") else [])
    content = {**values, "version": __version__, "files": [_stats(folder) for folder in folders]}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _stats(path: Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of change of a file, or of the files in a folder; empty for an address.

    For a pattern they are those of its folder.
    """
    is_pattern = not path.exists() and any(sign in path.name for sign in "%*?[")
    folder = path.parent if is_pattern else path
    files = [path] if path.is_file() else [file for file in visible_files(folder) if file.is_file()]
    stats = ((file.name, file.stat()) for file in files)
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


class JournalError(UserError):
    """A journal that cannot be read; the message says what to do."""


class Journal:
    """The journal in the file `path`; a context manager.

    `key` says what the run does: a journal with another key, or a damaged one, is started anew. The file is
    removed when :attr:`is_finished` is True at the end of the context, or when there is nothing in it. A
    journal that cannot be written, as on a full disk, is given up, and the run goes on without it; so it is
    for one that is locked, by another run or by a network folder without locks.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.is_finished = False
        self.last: int | None = None
        """Number of the last frame whose results are known; None for a new journal."""
        self._is_changed, self._saved_s = False, time.monotonic()
        self._is_own = True  # the file may be removed
        self._is_used = False  # there is something to continue from
        self._database: sqlite3.Connection | None = None
        try:
            self._database = _opened(path, key)
            row = self._database.execute("SELECT number FROM memory").fetchone()
            self.last, self._is_used = (None, False) if row is None else (row[0], True)
        except sqlite3.Error as error:
            self._is_own = "locked" not in str(error)
            self._give_up()
            logging.getLogger(__name__).warning("this run cannot be resumed: %s: %s", path, error)

    def outputs(self, make: Callable[[], list[OutputPlan]]) -> list[OutputPlan]:
        """Return the outputs of the run: those of `make` for a new one.

        What an interrupted run has written of its outputs is removed, because it is written again.
        """
        row = self._first("SELECT value FROM about WHERE name = 'outputs'")
        if row is not None:
            plans = [OutputPlan(format, Path(path)) for format, path in json.loads(row[0])]
            for plan in plans:
                shutil.rmtree(plan.path) if plan.path.is_dir() else plan.path.unlink(missing_ok=True)
            return plans
        plans = make()
        text = json.dumps([(plan.format, str(plan.path)) for plan in plans])
        self._write("INSERT INTO about VALUES ('outputs', ?)", (text,))
        return plans

    def results(self, frame: Frame) -> tuple[TargetResult, ...] | None:
        """Return the results of a frame that was tracked before; None for a new one."""
        row = self._first("SELECT targets FROM frames WHERE number = ?", (frame.number,))
        if row is None:
            return None
        return tuple(_target(values, frame) for values in json.loads(zlib.decompress(row[0])))

    def restore(self, session: Session) -> None:
        """Give `session` the targets as they were after the frame :attr:`last`."""
        row = self._first("SELECT targets FROM memory")
        assert row is not None, "there is a last frame"
        session.memory = _Unpickler(io.BytesIO(row[0])).load()

    def add(self, number: int, targets: tuple[TargetResult, ...], session: Session) -> None:
        """Append the results of a frame, after which `session` has the memory that it has now."""
        data = zlib.compress(json.dumps([_values(target) for target in targets]).encode(), 1)
        self._write("INSERT OR REPLACE INTO frames VALUES (?, ?)", (number, data))
        self.last, self._is_changed = number, True
        if time.monotonic() > self._saved_s + SAVE_S:
            self.save(session)

    def save(self, session: Session) -> None:
        """Make everything durable that was added."""
        if self._is_changed:
            self._write("DELETE FROM memory")
            data = pickle.dumps(session.memory, protocol=4)
            self._write("INSERT INTO memory VALUES (?, ?)", (self.last, data))
            self._commit()
        self._is_changed, self._saved_s = False, time.monotonic()

    def _first(self, question: str, values: tuple[Any, ...] = ()) -> Any:
        if self._database is None:
            return None
        try:
            return self._database.execute(question, values).fetchone()
        except sqlite3.Error as error:
            raise JournalError(
                f"{self.path}: damaged ({error}); remove it to track from the beginning"
            ) from error

    def _write(self, statement: str, values: tuple[Any, ...] = ()) -> None:
        if self._database is None:
            return
        try:
            self._database.execute(statement, values)
        except sqlite3.Error:
            self._give_up()

    def _commit(self) -> None:
        if self._database is None:
            return
        try:
            self._database.commit()
            self._is_used = True
        except sqlite3.Error:
            self._give_up()

    def _give_up(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None
        if self._is_own:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_finished or not self._is_used:
            self._give_up()
        elif self._database is not None:
            self._database.close()  # what was not saved is gone


def _opened(path: Path, key: str) -> sqlite3.Connection:
    """Open the journal with this key, or a new one; what is behind its last saved memory is not in it."""
    for _ in range(2):
        database = sqlite3.connect(path, timeout=1.0)
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")  # held from the first write to the end
            database.executescript(_TABLES)
            row = database.execute("SELECT value FROM about WHERE name = 'key'").fetchone()
            if row is None:
                database.execute("INSERT INTO about VALUES ('key', ?)", (key,))
            if row is None or row[0] == key:
                database.execute("INSERT OR REPLACE INTO about VALUES ('opened', ?)", (time.time(),))
                return database
        except sqlite3.OperationalError:
            database.close()
            raise
        except sqlite3.DatabaseError:  # damaged
            pass
        database.close()
        path.unlink(missing_ok=True)
    raise sqlite3.DatabaseError(f"{path} cannot be replaced")


class _Unpickler(pickle.Unpickler):
    """Reads the memory of targets: classes of the tracker and arrays, and nothing that could run code."""

    _NUMPY = frozenset({"_reconstruct", "ndarray", "dtype", "scalar", "_frombuffer"})

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed class; raise UnpicklingError for another one."""
        if module.startswith("siammaskpp_core.tracking."):
            found = getattr(import_module(module), name)
            if isinstance(found, type):
                return found
        if module.partition(".")[0] == "numpy" and name in self._NUMPY:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a target")


def _values(target: TargetResult) -> dict[str, Any]:
    found, rotated = target.found, target.found.rotated_box
    mask = found.mask
    return {
        "name": (target.id, target.label, target.index),
        "state": int(target.state),
        "is_seen": target.is_seen,
        "box": [float(value) for value in found.box_xywh],
        "rotated": [
            *(float(value) for value in (rotated.center_x, rotated.center_y)),
            *(float(value) for value in (rotated.width, rotated.height, rotated.angle_rad)),
        ],
        "confidence": float(found.confidence),
        "fraction": float(found.mask_fraction),
        "mask": None if mask is None else (mask.shape, rle_counts(mask)),
    }


def _target(values: dict[str, Any], frame: Frame) -> TargetResult:
    mask = None if values["mask"] is None else rle_mask(values["mask"][1], tuple(values["mask"][0]))
    rotated = RotatedBox(*values["rotated"])
    found = TrackResult(np.array(values["box"]), rotated, values["confidence"], mask, values["fraction"])
    id, label, index = values["name"]
    state, is_seen = State(values["state"]), values["is_seen"]
    return TargetResult(id, label, index, state, is_seen, frame.number, frame.stamp_ns, found)
