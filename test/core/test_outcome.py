"""How the work of a command ends: Ctrl-C as a request."""

import signal
import threading

import pytest

from siammaskpp_core import outcome
from siammaskpp_core.outcome import Interrupt


def test_a_later_signal_ends_the_work_at_once(monkeypatch):
    monkeypatch.setattr(outcome, "REPEAT_S", -1.0)
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as request:
        assert not request.is_requested
        signal.raise_signal(signal.SIGINT)
        assert request.is_requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_process_that_ignores_interrupts_continues_to_ignore_them():
    """A shell starts commands in the background, and nohup, in this way."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupt() as request:
            signal.raise_signal(signal.SIGINT)
        assert not request.is_requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_may_use_it():
    done = []

    def work():
        with Interrupt() as request:
            done.append(request.is_requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [False]
