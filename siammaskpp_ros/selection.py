"""What a set_target request means: which image, which box, and why it may be refused."""

from __future__ import annotations

from builtin_interfaces.msg import Time

from siammaskpp.srv import SetTarget

from .frame_buffer import Frame, FrameBuffer
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


def select(targets: TargetStore, frame: Frame, request: SetTarget.Request, max_targets: int) -> str:
    """Start to track the box of `request` in `frame`; the target's id.

    Raises :class:`Refusal` when image or box cannot be used; no target has changed then.
    """
    id = request.id or DEFAULT_ID
    box = (request.box.x, request.box.y, request.box.width, request.box.height)
    try:
        targets.set(id, request.label, frame, box, max_targets)
    except ValueError as error:  # boxes, images and the number of targets
        raise Refusal(str(error)) from error
    except Exception as error:  # the engine itself failed
        raise Refusal(f"the tracker failed on this image: {type(error).__name__}: {error}") from error
    return id
