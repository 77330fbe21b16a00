"""What asks for a target means: which image, which box, and why it may be refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from builtin_interfaces.msg import Time

from siammaskpp.msg import TargetBox
from siammaskpp.srv import SetTarget
from siammaskpp_core.tracking import State

from .detections_in import best_detection
from .frame_buffer import Frame, FrameBuffer
from .parameters import NodeConfig
from .targets import TargetStore

DEFAULT_ID = "target"


class Refusal(ValueError):
    """A request that is refused; the text says why and what to do."""


def choose_frame(frames: FrameBuffer, stamp: Time, waiting_hint: str) -> Frame:
    """The frame with this stamp, the newest for a stamp of zero; :class:`Refusal` when there is none."""
    stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
    frame = frames.at(stamp_ns) if stamp_ns else frames.newest()
    if frame is not None:
        return frame
    span = frames.span_ns()
    if span is None:
        raise Refusal(waiting_hint)
    oldest_s, newest_s = (value * 1e-9 for value in span)
    raise Refusal(
        f"the image with stamp {stamp_ns * 1e-9:.3f} s is not remembered; images from {oldest_s:.3f} to "
        f"{newest_s:.3f} s are. Copy the header of a newer image, leave the stamp zero for the newest one, "
        "or raise frame_memory_s and frame_memory_mb"
    )


class Selector:
    """Sets targets by boxes, clicks and detections.

    `hint` says why there may be no image, `config` is asked anew for every request. Every method raises
    :class:`Refusal` when a request cannot be met; no target has changed then.
    """

    def __init__(
        self,
        targets: TargetStore,
        frames: FrameBuffer,
        hint: Callable[[], str],
        config: Callable[[], NodeConfig],
    ) -> None:
        self._targets = targets
        self._frames = frames
        self._hint = hint
        self._config = config

    def newest(self) -> Frame:
        """The newest image."""
        return choose_frame(self._frames, Time(), self._hint())

    def set_box(self, request: SetTarget.Request | TargetBox) -> tuple[str, Frame]:
        """Start to track the box of `request`; the target's id and the image it starts on."""
        frame = choose_frame(self._frames, request.header.stamp, self._hint())
        box = (request.box.x, request.box.y, request.box.width, request.box.height)
        return self._set(request.id, request.label, frame, box)

    def click(self, frame: Frame, point_xy: tuple[float, float]) -> tuple[str, Frame]:
        """Start to track what is at a point of `frame`; it takes as long as a dozen images."""
        box = _refusing(lambda: self._targets.box_at(frame, point_xy))
        return self._set("", "", frame, box)

    def hand_over(self, detections: Any) -> tuple[str, Frame] | None:
        """Start to track the best detection in a vision_msgs/Detection2DArray, if one is wanted.

        It is when there is no target, or when that of :data:`DEFAULT_ID` is lost. None when not, or when no
        detection is good enough.
        """
        states = self._targets.states()
        if states and states.get(DEFAULT_ID) is not State.LOST:
            return None
        config = self._config()
        best = best_detection(detections, config.detection_class, config.detection_min_score)
        if best is None:
            return None
        frame = choose_frame(self._frames, detections.header.stamp, self._hint())
        return self._set("", best.class_id, frame, best.box_xywh)

    def _set(self, id: str, label: str, frame: Frame, box_xywh: Sequence[float]) -> tuple[str, Frame]:
        id = id or DEFAULT_ID
        limit = self._config().max_targets
        _refusing(lambda: self._targets.set(id, label, frame, box_xywh, limit))
        return id, frame


def _refusing(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except ValueError as error:  # boxes, images and the number of targets
        raise Refusal(str(error)) from error
    except Exception as error:  # the engine itself failed
        raise Refusal(f"the tracker failed on this image: {type(error).__name__}: {error}") from error
