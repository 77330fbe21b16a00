"""What the web page shows and does: the interface between the server and a camera or a video."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from siammaskpp_core.errors import UserError


class Unavailable(UserError):
    """A command that nobody answers now, as when no tracker runs; the message says what to do."""


@dataclass(frozen=True)
class Answer:
    """The answer to a command, for the page."""

    success: bool
    message: str
    """What was done, or why it was refused and what to do."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further values, which the page knows by name."""


class Command(NamedTuple):
    """A command of the page: ``POST /NAME`` with JSON in the body."""

    parse: Callable[[dict[str, Any]], Any]
    """Return the request in a body. Every exception means that the body cannot be read."""
    run: Callable[[Any], Awaitable[Answer]]
    """Carry a request out; raises :class:`Unavailable`."""


class Source(Protocol):
    """A camera or a video with its tracker. The server calls :meth:`encode` in another thread."""

    viewers: int
    """Number of open pages; the server sets it."""

    @property
    def max_fps(self) -> float:
        """Maximum frame rate of each page."""

    @property
    def commands(self) -> Mapping[str, Command]:
        """The commands by name."""

    def newest(self) -> Any:
        """Return the picture to show, the same object until there is a newer one; None before the first."""

    def encode(self, picture: Any) -> bytes:
        """Return the message with a picture (:func:`siammaskpp_core.web.pictures.encode_picture`).

        Raises :class:`UserError` when the picture cannot be decoded.
        """

    def status(self) -> dict[str, Any]:
        """Return the status as values for JSON; ``camera`` says why no newer picture comes, or is empty."""


def text(value: object) -> str:
    """Return a value as a text that everybody can take; raises ValueError for half characters and NUL."""
    result = str(value)
    result.encode()
    if "\0" in result:
        raise ValueError("a text has the character NUL")
    return result
