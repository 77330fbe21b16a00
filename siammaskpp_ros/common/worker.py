"""A thread that works on one item after another, and drops the oldest when too many wait."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from siammaskpp_core.errors import UserError

Item = TypeVar("Item")

# Long enough to give the GIL to the worker; see Worker.put.
_GIVE_GIL_S = 1e-3


class WorkerHangs(UserError):
    """The thread of a worker does not end."""


class Worker(Generic[Item]):
    """Calls `work(item)` in a thread of its own, for one item after another.

    At most `capacity` items wait. A new one takes the place of the oldest, so that a slow worker skips items
    instead of lagging behind; with a capacity of one it always takes the newest. An exception of `work` is
    passed to `failed`, and the thread continues. `name` is the name of the thread.
    """

    def __init__(
        self,
        work: Callable[[Item], None],
        failed: Callable[[Item, Exception], None],
        name: str = "worker",
        capacity: int = 1,
    ) -> None:
        self._work = work
        self._failed = failed
        self._name = name
        self._capacity = capacity
        self._waiting: deque[Item] = deque()
        self._stopping = False
        self._idle = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread with nothing to do; raises :class:`WorkerHangs` when the last one still works."""
        if self._thread is not None and self._thread.is_alive():
            raise WorkerHangs("the worker thread of the last activation has not ended")
        self._waiting.clear()
        self._stopping = False
        # A daemon thread, so that a call that hangs in a driver cannot keep the process alive.
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> Item | None:
        """Hand over `item`; return the waiting item whose place it has taken, if there was no room."""
        with self._changed:
            dropped = self._waiting.popleft() if len(self._waiting) >= self._capacity else None
            self._waiting.append(item)
            idle = self._idle
            self._changed.notify()
        if idle:
            # Give the GIL to the worker: without this sleep the executor holds it for another 0.5 ms.
            time.sleep(_GIVE_GIL_S)
        return dropped

    def drop(self, is_meant: Callable[[Item], bool]) -> list[Item]:
        """Take back the waiting items that are meant, and return them."""
        with self._changed:
            dropped = [item for item in self._waiting if is_meant(item)]
            self._waiting = deque(item for item in self._waiting if not is_meant(item))
        return dropped

    def stop(self, timeout_s: float) -> bool:
        """Drop the waiting items and end the thread; return False when it does not end in time."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def is_stopping(self) -> bool:
        """Return True once :meth:`stop` has been called; long work may check it."""
        return self._stopping

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle = True
                self._changed.wait_for(lambda: self._stopping or self._waiting)
                self._idle = False
                if self._stopping:
                    return
                item = self._waiting.popleft()
            try:
                self._work(item)
            except Exception as error:
                self._failed(item, error)


def stop_all(stops: Sequence[Callable[[float], bool]], timeout_s: float) -> bool:
    """Call the functions, each of which ends a thread; return False when one does not end.

    All threads together have `timeout_s`.
    """
    for stop in stops:
        stop(0.0)
    end_s = time.monotonic() + timeout_s
    have_ended = [stop(max(end_s - time.monotonic(), 0.0)) for stop in stops]
    return all(have_ended)
