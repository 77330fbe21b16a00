"""Targets that are set, corrected and removed at any frame, and followed from frame to frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.frame import Frame, Moment, number_name
from siammaskpp_core.io.images import from_rgb
from siammaskpp_core.io.stamps import NS_PER_S
from siammaskpp_core.io.video import DEFAULT_FPS
from siammaskpp_core.offline.results import FrameResult, TargetResult
from siammaskpp_core.tracking import LongTermTracker, Target, Tracker, TrackResult
from siammaskpp_core.tracking.click import box_at
from siammaskpp_core.tracking.masks import separate_masks

DEFAULT_ID = "target"
"""Id of the first target without a label; the node uses the same id when none is given."""


class SelectionError(UserError):
    """A selection that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Selection:
    """What the user points at: an object to follow, a correction of a target, or a target to remove.

    A box or a point sets a target. A further one with the same id, in a later frame, corrects it: the target
    keeps its colour and number. A selection with neither removes it.
    """

    box_xywh: tuple[float, float, float, float] | None = None
    """Box of the object: left, top, width, height in pixels."""
    point_xy: tuple[float, float] | None = None
    """A point on the object, whose box is found by trying; used when there is no box."""
    id: str = ""
    """Name of the target; empty for a new one, which :func:`with_ids` names."""
    label: str = ""
    """What the target is; a correction without a label keeps the one that the target has."""
    at: Moment | None = None
    """When to select; None stands for the first frame that is tracked."""

    @property
    def is_removal(self) -> bool:
        """True when this removes a target."""
        return self.box_xywh is None and self.point_xy is None


def with_ids(selections: Iterable[Selection], taken: Iterable[str] = ()) -> list[Selection]:
    """Return selections in which every new target has an id that is neither `taken` nor used before.

    The id is the label, or "target"; the next ones of the same name get a number: cup, cup_2, cup_3.
    """
    known, named = {*taken}, []
    for selection in selections:
        if not selection.id:
            stem = selection.label or DEFAULT_ID
            numbered = (f"{stem}_{number}" for number in range(2, len(known) + 3))
            id = stem if stem not in known else next(name for name in numbered if name not in known)
            selection = replace(selection, id=id)
        known.add(selection.id)
        named.append(selection)
    return named


@dataclass
class _Entry:
    """A target of a session; `target` is the memory of the tracker."""

    id: str
    label: str
    index: int
    target: Target

    def result(self, frame: Frame, found: TrackResult) -> TargetResult:
        state, is_seen = self.target.state, self.target.is_seen
        return TargetResult(
            self.id, self.label, self.index, state, is_seen, frame.number, frame.stamp_ns, found
        )


Memory: TypeAlias = "dict[str, tuple[str, int, Target | None]]"
"""What a session remembers of each target by its id: label, number, and the memory of the tracker.

The last is None for a target that was removed: its number, which gives the colour, stays taken.
"""


class Session:
    """Follows any number of targets through frames that come one after the other; not thread-safe.

    For images that come one by one, from a camera or a callback::

        session = Session()
        session.add(image, (306, 122, 110, 262), label="cup")
        for image in images:
            for target in session.update(image):
                print(target.id, target.state, target.box_xywh)

    Images that come without a stamp are taken to come `fps` times a second; with `is_rgb` they are RGB, else
    BGR. Without a `tracker` the network that comes with the package is loaded. Everything that is remembered
    lies here; the tracker may serve other sessions as well.
    """

    def __init__(
        self,
        tracker: LongTermTracker | Tracker | None = None,
        *,
        fps: float = DEFAULT_FPS,
        is_rgb: bool = False,
    ) -> None:
        tracker = tracker or load_tracker()
        self._tracker = LongTermTracker(tracker) if isinstance(tracker, Tracker) else tracker
        self._fps, self._is_rgb = fps, is_rgb
        self._newest: Frame | None = None
        self._entries: dict[str, _Entry] = {}
        self._indices: dict[str, int] = {}  # also of targets that were removed: a colour stays

    @property
    def ids(self) -> list[str]:
        """The ids of the targets, in the order in which they were set."""
        return list(self._entries)

    @property
    def memory(self) -> Memory:
        """All that is remembered; it does not change with the session.

        To set an earlier one goes back to that moment. Another session with the same model may take it over.
        """
        kept = {
            id: (entry.label, entry.index, Target(entry.target.template, entry.target.track))
            for id, entry in self._entries.items()
        }
        removed = {id: ("", index, None) for id, index in self._indices.items() if id not in kept}
        return {**kept, **removed}

    @memory.setter
    def memory(self, memory: Memory) -> None:
        self._entries = {
            id: _Entry(id, label, index, Target(target.template, target.track))
            for id, (label, index, target) in memory.items()
            if target is not None
        }
        self._indices = {id: index for id, (_, index, _) in memory.items()}

    def add(
        self, image: Image, box_xywh: ArrayLike, label: str = "", id: str = "", stamp_ns: int | None = None
    ) -> TargetResult:
        """Set a target on the newest image, or before the first one, and return its result there.

        `image` is uint8 [H, W, 3]; `box_xywh` is left, top, width, height in pixels. An `id` that exists
        already corrects that target. Raises BoxError and ImageError, and has changed nothing then.
        """
        frame = self._next(image, stamp_ns)
        if self._newest is not None:
            frame = replace(self._newest, image=frame.image)
        box = tuple(np.asarray(box_xywh, np.float64).ravel().tolist())
        result = self.select(frame, Selection(box_xywh=box, id=id, label=label))  # type: ignore[arg-type]
        assert result is not None
        self._newest = frame
        return result

    def update(self, image: Image, stamp_ns: int | None = None) -> FrameResult:
        """Follow all targets into the next image, uint8 [H, W, 3], taken at `stamp_ns`."""
        frame = self._next(image, stamp_ns)
        result = self.track(frame)
        self._newest = frame
        return result

    def _next(self, image: Image, stamp_ns: int | None) -> Frame:
        newest = self._newest
        number = 0 if newest is None else newest.number + 1
        if stamp_ns is None:
            step_ns = round(NS_PER_S / self._fps)
            stamp_ns = 0 if newest is None else newest.stamp_ns + step_ns
        origin_ns = stamp_ns if newest is None else newest.origin_ns
        if self._is_rgb:
            image = from_rgb(image)
        return Frame(number, stamp_ns, image, number_name(number), origin_ns=origin_ns)

    def track(self, frame: Frame, selections: Sequence[Selection] = ()) -> FrameResult:
        """Follow all targets into `frame`, the one after the last, after the `selections` made on it.

        Nothing is changed when an error is raised: :class:`SelectionError` for a removal or correction that
        fits no target, BoxError for a box or point that cannot be tracked, and ImageError.
        """
        entries = dict(self._entries)
        found: dict[str, TrackResult] = {}
        for selection in with_ids(selections, entries):
            if selection.is_removal:
                if entries.pop(selection.id, None) is None:
                    raise _unknown(selection.id, self.ids)
                found.pop(selection.id, None)
                continue
            entries[selection.id], found[selection.id] = self._set(frame, selection, entries)
        followed = [entry for id, entry in entries.items() if id not in found]
        if followed:
            targets = [entry.target for entry in followed]
            results = self._tracker.step(frame.image, targets, frame.stamp_ns)
            found |= {entry.id: result for entry, result in zip(followed, results, strict=True)}
        if selections:  # the tracker separates only the masks of one step
            ordered = [found[id] for id in entries]
            separate_masks([each.mask for each in ordered], [each.confidence for each in ordered])
        self._entries = entries
        self._indices |= {id: entry.index for id, entry in entries.items()}
        return FrameResult(frame, tuple(entry.result(frame, found[id]) for id, entry in entries.items()))

    def select(self, frame: Frame, selection: Selection) -> TargetResult | None:
        """Apply a selection to `frame`, which has been tracked already, and leave the other targets alone.

        This is for a picture that stands still, where somebody draws a box after having seen the results.
        Returns the result of the target that was set or corrected, None for a removal. Raises the errors of
        :meth:`track`.
        """
        (selection,) = with_ids([selection], self._entries)
        if selection.is_removal:
            self.remove(selection.id)
            return None
        entry, found = self._set(frame, selection, self._entries)
        self._entries[entry.id], self._indices[entry.id] = entry, entry.index
        return entry.result(frame, found)

    def remove(self, id: str) -> None:
        """Stop following a target; raises :class:`SelectionError` when there is none with this id."""
        if self._entries.pop(id, None) is None:
            raise _unknown(id, self.ids)

    def box_at(self, frame: Frame, point_xy: tuple[float, float]) -> Float64Array:
        """Return the box, float64 [4] as x, y, width, height, of the object at a point of `frame`.

        Raises BoxError when the point is outside the image or no object is found.
        """

        def try_boxes(boxes: Sequence[ArrayLike]) -> list[TrackResult]:
            return self._tracker.try_boxes(frame.image, boxes)

        return box_at(point_xy, frame.image.shape, try_boxes)

    def _set(
        self, frame: Frame, selection: Selection, entries: dict[str, _Entry]
    ) -> tuple[_Entry, TrackResult]:
        """Start the target of a selection, and return its entry with what was found in the same frame."""
        box: ArrayLike | None = selection.box_xywh
        if box is None:
            assert selection.point_xy is not None
            box = self.box_at(frame, selection.point_xy)
        target, found = self._tracker.init(frame.image, box)
        before = entries.get(selection.id)
        label = selection.label or (before.label if before else "")
        used = {**self._indices, **{entry.id: entry.index for entry in entries.values()}}
        index = used.get(selection.id, max(used.values(), default=-1) + 1)
        return _Entry(selection.id, label, index, target), found


def _unknown(id: str, known: Sequence[str]) -> SelectionError:
    return SelectionError(f"there is no target {id!r}; the targets are: {', '.join(known) or 'none'}")
