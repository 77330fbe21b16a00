"""A thread that always works on the newest item."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from siammaskpp_core.errors import UserError

Item = TypeVar("Item")

# A woken thread gets Python's lock when the one that woke it rests. An executor that does not prepares its
# next wait, 0.5 ms in which the work stands wherever it lets the lock go; later the network does so for long.
_HAND_OVER_S = 1e-3


class WorkerHangs(UserError):
    """The thread of an earlier run still hangs in its work."""


class LatestWorker(Generic[Item]):
    """Calls `work(item)` in a thread of its own, with a slot for one waiting item.

    An item put while another waits replaces it, so a slow worker skips items instead of lagging behind.
    Exceptions of `work` go to `failed` and the thread lives on.
    """

    def __init__(self, work: Callable[[Item], None], failed: Callable[[Item, Exception], None]) -> None:
        self._work = work
        self._failed = failed
        self._waiting: Item | None = None
        self._stopping = False
        self._idle = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread with an empty slot; raises :class:`WorkerHangs` when the last one still works."""
        if self._thread is not None and self._thread.is_alive():
            raise WorkerHangs("the worker thread of before has not ended")
        self._waiting, self._stopping = None, False
        # A daemon, so that a call that hangs in a driver cannot keep the process alive.
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> bool:
        """Hand over `item`; True when it replaced one that nobody had taken."""
        with self._changed:
            replaced = self._waiting is not None
            self._waiting = item
            idle = self._idle
            self._changed.notify()
        if idle:
            time.sleep(_HAND_OVER_S)
        return replaced

    def stop(self, timeout_s: float) -> bool:
        """Let the item at work end, drop the waiting one; False when the thread did not end in time."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def is_stopping(self) -> bool:
        """True from :meth:`stop` on; work that takes long may look at it."""
        return self._stopping

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle = True
                self._changed.wait_for(lambda: self._stopping or self._waiting is not None)
                self._idle = False
                if self._stopping:
                    return
                item, self._waiting = self._waiting, None
            assert item is not None
            try:
                self._work(item)
            except Exception as error:
                self._failed(item, error)
