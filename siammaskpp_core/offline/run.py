"""A run: a session is taken through the frames of a recording, and writers receive the results."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from siammaskpp_core.io.frame import Frame
from siammaskpp_core.offline.journal import Journal
from siammaskpp_core.offline.results import FrameResult
from siammaskpp_core.offline.session import Selection, SelectionError, Session, with_ids
from siammaskpp_core.offline.writers.base import Writer


class Run:
    """Applies each selection at its moment, tracks frame after frame, and hands the results to the writers.

    Frames whose results are in `journal` are not tracked again. `count` frames were handed on; `tracked` of
    them took `seconds` of tracking.
    """

    def __init__(
        self,
        session: Session,
        selections: Iterable[Selection],
        writers: Sequence[Writer] = (),
        journal: Journal | None = None,
    ) -> None:
        self.count = self.tracked = 0
        self.seconds = 0.0
        self._session, self._writers, self._journal = session, writers, journal
        self._pending = with_ids(selections, session.ids)

    def take(self, frame: Frame) -> FrameResult:
        """Track the next frame and write its results.

        Raises :class:`SelectionError` for a selection that lies before the first frame, and the errors of
        :meth:`Session.track` and of the writers.
        """
        due = [selection for selection in self._pending if _is_due(selection, frame)]
        if self.count == 0:
            _check_first(due, frame)
        known = self._known(frame)
        result = self._track(frame, due) if known is None else known
        self._pending = [selection for selection in self._pending if selection not in due]
        for write in self._writers:
            write(result)
        self.count += 1
        return result

    def end(self, is_finished: bool) -> None:
        """Complete the journal of a run that can be continued, or give it up when the run is finished."""
        if self._journal is not None and is_finished:
            self._journal.is_finished = True
        elif self._journal is not None and self.tracked:
            self._journal.save(self._session)

    def _known(self, frame: Frame) -> FrameResult | None:
        """Return the result of a frame that an earlier run has tracked."""
        if self._journal is None or self.tracked:
            return None
        targets = self._journal.results(frame)
        return None if targets is None else FrameResult(frame, targets)

    def _track(self, frame: Frame, due: Sequence[Selection]) -> FrameResult:
        if self._journal is not None and not self.tracked and self._journal.last is not None:
            self._journal.restore(self._session)
        start_s = time.perf_counter()
        result = self._session.track(frame, due)
        self.seconds += time.perf_counter() - start_s
        self.tracked += 1
        if self._journal is not None:
            self._journal.add(frame.number, result.targets, self._session)
        return result

    @property
    def fps(self) -> float:
        """Frames tracked in a second; 0 when none was tracked."""
        return self.tracked / self.seconds if self.seconds else 0.0

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
