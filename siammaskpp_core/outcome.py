"""What a command has done: its result, what it left out, and what ended it early."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.errors import UserError

COMPLETE, FAILED, LEFT_OUT, INTERRUPTED = 0, 2, 3, 130
"""Exit codes of a command. LEFT_OUT: the work is done, but without some parts of the input."""

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
