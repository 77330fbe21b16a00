"""Signals that end a process: the first one ends it, and all later ones are harmless.

A launch system sends SIGINT once or twice and SIGTERM after that, a terminal that is closed sends SIGHUP, and
Ctrl-\\ sends SIGQUIT. This module imports nothing heavy, so that signals are caught before anything else is
loaded.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from importlib import import_module
from threading import Event

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class EndSignals:
    """The state of the process about signals; there is one object, :data:`END_SIGNALS`."""

    def __init__(self) -> None:
        self.requested = Event()
        """It is set by the first signal. Call only its method is_set: a handler must not wait for a lock."""
        self.interrupts = True
        """The first signal also raises KeyboardInterrupt, to interrupt long work, unless this is False."""
        self._is_caught = False

    def catch(self) -> None:
        """Let the first signal end the process cleanly. SIGHUP stays ignored for a process under nohup."""
        for number in _NUMBERS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def ignore(self) -> None:
        """Ignore all signals from now on: the process is about to end.

        A handler in Python would not protect the last moments, in which the interpreter is taken down.
        """
        self.interrupts = False
        for number in _NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, *_: object) -> None:
        # A second signal may interrupt this handler: it must not find the lock of the event taken.
        is_first, self._is_caught = not self._is_caught, True
        if not is_first:
            return
        self.requested.set()
        if self.interrupts:
            raise KeyboardInterrupt


END_SIGNALS = EndSignals()


def run_main(module: str) -> int:
    """Import `module` and return the exit code of its main function; a signal meanwhile is a clean end."""
    END_SIGNALS.catch()
    exit_code = 0
    with suppress(KeyboardInterrupt):
        exit_code = int(import_module(module).main())
    END_SIGNALS.ignore()
    return exit_code
