"""A run: a session is taken through the frames of a recording, and writers receive the results."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from siammaskpp_core.io.frame import Frame
from siammaskpp_core.offline.results import FrameResult
from siammaskpp_core.offline.session import Selection, SelectionError, Session, with_ids
from siammaskpp_core.offline.writers.base import Writer


class Run:
    """Applies each selection at its moment, tracks frame after frame, and hands the results to the writers.

    `count` frames took `seconds` of tracking.
    """

    def __init__(
        self, session: Session, selections: Iterable[Selection], writers: Sequence[Writer] = ()
    ) -> None:
        self.count, self.seconds = 0, 0.0
        self._session, self._writers = session, writers
        self._pending = with_ids(selections, session.ids)

    def take(self, frame: Frame) -> FrameResult:
        """Track the next frame and write its results.

        Raises :class:`SelectionError` for a selection that lies before the first frame, and the errors of
        :meth:`Session.track` and of the writers.
        """
        due = [selection for selection in self._pending if _is_due(selection, frame)]
        if self.count == 0:
            _check_first(due, frame)
        start_s = time.perf_counter()
        result = self._session.track(frame, due)
        self.seconds += time.perf_counter() - start_s
        self._pending = [selection for selection in self._pending if selection not in due]
        for write in self._writers:
            write(result)
        self.count += 1
        return result

    @property
    def unused(self) -> list[str]:
        """A message for each selection whose frame did not come."""
        return [
            f"the selection of {selection.id} at {selection.at}: no such frame was tracked"
            for selection in self._pending
        ]


def states_text(result: FrameResult) -> str:
    """Return the states and confidences of all targets in one short line."""
    return ", ".join(
        f"{target.id} {target.state}" + (f" {target.confidence:.2f}" if target.is_seen else "")
        for target in result
    )


def _is_due(selection: Selection, frame: Frame) -> bool:
    return selection.at is None or selection.at.is_reached(frame.number, frame.elapsed_ns)


def _check_first(selections: Sequence[Selection], frame: Frame) -> None:
    for selection in selections:
        if selection.at is not None and selection.at.is_passed(frame.number, frame.elapsed_ns):
            raise SelectionError(
                f"{selection.id} is selected at {selection.at}, but the first frame that is tracked is "
                f"frame {frame.number} at {frame.elapsed_ns / 1e9:g} s; start earlier or select later"
            )
