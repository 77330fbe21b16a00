"""The outcome of a command: its result and exit code; Ctrl-C, after which finished work is kept."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from types import FrameType, TracebackType

from siammaskpp_core.errors import UserError

COMPLETE, FAILED, LEFT_OUT, INTERRUPTED = 0, 2, 3, 130
"""Exit codes of a command. LEFT_OUT: the work is done, but without some parts of the input."""

REPEAT_S = 1.0
"""Signals that follow the first within this time are the same request: some programs send it twice."""
RESUME = "start the same command again to continue"
"""Remedy for work that ended early and can be resumed."""


@dataclass(frozen=True)
class Outcome:
    """The result of a command whose input may be damaged in part, or whose work may end early.

    What was finished is kept in any case.
    """

    text: str
    """The result to print; empty when there is nothing to say."""
    left_out: tuple[str, ...] = ()
    """A message for each part of the input that was left out, with the reason."""
    failure: UserError | None = None
    """The error that ended the work early."""
    is_interrupted: bool = False
    """True when Ctrl-C ended the work early."""

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        if self.failure is not None:
            return FAILED
        if self.is_interrupted:
            return INTERRUPTED
        return LEFT_OUT if self.left_out else COMPLETE


class Interrupt:
    """A context in which the first Ctrl-C only sets `is_requested`; a later one raises KeyboardInterrupt.

    The work asks between two frames, so that all outputs hold the same frames. A process that ignores
    interrupts, such as one started with nohup, continues to ignore them. In other threads than the main
    thread, which receives all signals, the context does nothing.
    """

    def __init__(self) -> None:
        self.is_requested = False
        self._requested_s = 0.0
        self._before = signal.getsignal(signal.SIGINT)

    def __enter__(self) -> Interrupt:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and self._before not in (signal.SIG_IGN, None):
            signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if signal.getsignal(signal.SIGINT) == self._on_signal:
            signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now_s = time.monotonic()
        if self.is_requested and now_s > self._requested_s + REPEAT_S:
            raise KeyboardInterrupt
        if not self.is_requested:
            self.is_requested, self._requested_s = True, now_s


def ignore_interrupts(*_: object) -> None:
    """Ignore Ctrl-C in this process, a worker whose parent ends it; for the initialisers of pools."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
