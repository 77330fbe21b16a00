"""The results of one frame: what a caller receives and a writer writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siammaskpp_core.arrays import Float64Array, Image, Mask
from siammaskpp_core.errors import MissingPackageError
from siammaskpp_core.io.frame import Frame
from siammaskpp_core.io.stamps import NS_PER_S
from siammaskpp_core.tracking import RotatedBox, State, TrackResult

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True)
class TargetResult:
    """One target in one frame. While it is not seen it has no boxes and no mask: they are None.

    Boxes are in continuous pixel coordinates: the pixel in column c and row r covers [c, c+1) x [r, r+1).
    """

    id: str
    """Name of the target, unique among those of one session."""
    label: str
    """Kind of object, such as "cup"; several targets may have the same label. It may be empty."""
    index: int
    """Number of the target in its session, from 0. It never changes and gives colour and mask value."""
    state: State
    """TRACKING, UNCERTAIN or LOST."""
    is_seen: bool
    """True when what was found is accepted as the target."""
    frame: int
    """Number of the frame in its source, from 0."""
    stamp_ns: int
    """Time of the frame in ns."""
    found: TrackResult
    """Result of the tracker, also when it is not accepted as the target."""

    @property
    def mask(self) -> Mask | None:
        """Mask, uint8 [H, W], 255 on the target; None also for a network without masks."""
        return self.found.mask if self.is_seen else None

    @property
    def box_xywh(self) -> Float64Array | None:
        """Axis-aligned box, float64 [4]: left, top, width, height in pixels."""
        return self.found.box_xywh if self.is_seen else None

    @property
    def box_xyxy(self) -> Float64Array | None:
        """Axis-aligned box, float64 [4]: left, top, right, bottom in pixels."""
        return xyxy(self.found.box_xywh) if self.is_seen else None

    @property
    def rotated_box(self) -> RotatedBox | None:
        """Rotated box around the mask."""
        return self.found.rotated_box if self.is_seen else None

    @property
    def confidence(self) -> float:
        """Probability, 0 to 1, that what was found is the target; 0 when the network gave no number."""
        confidence = self.found.confidence
        return 0.0 if np.isnan(confidence) else confidence

    @property
    def score(self) -> float:
        """The confidence, under its name in the message siammaskpp/TrackedObject."""
        return self.confidence

    @property
    def time_s(self) -> float:
        """`stamp_ns` in seconds."""
        return self.stamp_ns / NS_PER_S

    @property
    def title(self) -> str:
        """Name of the target in pictures, and its class in a data set: its label, or else its id."""
        return self.label or self.id

    def __repr__(self) -> str:
        text = f"TargetResult({self.id!r}, frame {self.frame}, {self.state}, confidence {self.confidence:.2f}"
        if not self.is_seen:
            return f"{text}, not seen)"
        return f"{text}, box_xywh [{', '.join(f'{value:.1f}' for value in self.found.box_xywh)}])"


@dataclass(frozen=True)
class FrameResult:
    """One frame with the results of all targets, in the order in which they were set."""

    frame: Frame
    targets: tuple[TargetResult, ...]

    @property
    def image(self) -> Image:
        """The image, BGR, uint8 [H, W, 3]."""
        return self.frame.image

    @property
    def number(self) -> int:
        """Number of the frame in its source, from 0."""
        return self.frame.number

    @property
    def time_s(self) -> float:
        """Time of the frame in seconds."""
        return self.frame.time_s

    @property
    def seen(self) -> list[TargetResult]:
        """The targets that are seen in this frame."""
        return [target for target in self.targets if target.is_seen]

    def __iter__(self) -> Iterator[TargetResult]:
        return iter(self.targets)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, id: str) -> TargetResult:
        """Return the target with this id; raises KeyError."""
        for target in self.targets:
            if target.id == id:
                return target
        raise KeyError(id)

    def to_supervision(self) -> supervision.Detections:
        """Return the targets that are seen as `supervision.Detections`; needs the package supervision.

        `tracker_id` is the target's index + 1, `class_id` the number of its label among those of this
        frame's targets in their order, and `data` holds `class_name`, `id` and `state`.
        """
        try:
            import supervision
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                "supervision is not installed: pip install supervision (see docs/library.md for its OpenCV)"
            ) from error
        seen = self.seen
        if not seen:
            return supervision.Detections.empty()
        titles = list(dict.fromkeys(target.title for target in self.targets))
        masks = [target.found.mask > 0 for target in seen if target.found.mask is not None]
        data: dict[str, Any] = {
            "class_name": np.array([target.title for target in seen]),
            "id": np.array([target.id for target in seen]),
            "state": np.array([str(target.state) for target in seen]),
        }
        return supervision.Detections(
            xyxy=np.stack([xyxy(target.found.box_xywh) for target in seen]).astype(np.float32),
            mask=np.stack(masks) if masks else None,
            confidence=np.array([target.confidence for target in seen], np.float32),
            class_id=np.array([titles.index(target.title) for target in seen]),
            tracker_id=np.array([target.index + 1 for target in seen]),
            data=data,
        )

    def __repr__(self) -> str:
        targets = ", ".join(f"{target.id} {target.state}" for target in self.targets)
        return f"FrameResult(frame {self.number}, {self.time_s:.3f} s: {targets or 'no targets'})"


def xyxy(box_xywh: Float64Array) -> Float64Array:
    """Return left, top, right, bottom of a box left, top, width, height."""
    return np.concatenate([box_xywh[:2], box_xywh[:2] + box_xywh[2:]])
