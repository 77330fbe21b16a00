"""`siammaskpp track-bag`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from siammaskpp_core.errors import extra
from siammaskpp_core.tracking import LongTermTracker, Target, TrackResult

with extra("bag", "for bags"):
    from siammaskpp_core.io.bags import Bag, BagError, BagImage, BagWriter, RawMessage, create_bag, open_bag

# As the node names them.
OBJECTS_TOPIC, MASK_TOPIC = "/tracker_node/tracked_objects", "/tracker_node/mask"
TARGET_ID = "target"


def track_bag(
    path: Path,
    topic: str,
    box_xywh: list[float],
    load: Callable[[], LongTermTracker],
    *,
    output: Path | None = None,
    stamp_s: Decimal | None = None,
    is_copied: bool = False,
) -> str:
    """Track through the images on `topic` of the bag at `path`; a line that says what was written.

    The box (x, y, w, h in pixels) belongs to the image with the stamp `stamp_s`, by default the first. The
    results go to the new bag `output`, by default PATH_tracked, with all other topics when `is_copied`.
    `load` is called once the bag has been found usable. Raises :class:`BagError`.
    """
    output = output or path.with_name(f"{path.stem}_tracked")
    with open_bag(path) as bag:
        bag.count(topic)
        if is_copied:
            _check_free(bag)
        first_ns = _first_stamp(bag, topic, stamp_s)
        tracker = load()
        with create_bag(output, bag.is_mcap) as writer:
            follower = _Follower(tracker, box_xywh, first_ns, writer)
            start_s = time.perf_counter()
            for message in _with_progress(bag, topic, is_copied):
                if is_copied:
                    writer.copy(bag, message)
                if message.connection.topic == topic:
                    follower.follow(bag.image(message))
            total_s = time.perf_counter() - start_s
    return (
        f"{output}: {follower.images} images on {OBJECTS_TOPIC}, {follower.masks} masks on {MASK_TOPIC}; "
        f"{follower.images / total_s:.1f} images/s"
    )


class _Follower:
    """Tracks in one image after the other and writes what the node would publish."""

    def __init__(
        self, tracker: LongTermTracker, box: list[float], first_ns: int | None, writer: BagWriter
    ) -> None:
        self.images = self.masks = 0
        self._tracker = tracker
        self._box = box
        self._first_ns = first_ns  # None: the first image, whatever its stamp
        self._target: Target | None = None
        self._writer = writer

    def follow(self, image: BagImage) -> None:
        """Find the target in `image` and write the result; nothing before the first image."""
        if self._target is not None:
            (result,) = self._tracker.step(image.bgr(), [self._target], image.stamp_ns)
        elif self._first_ns in (None, image.stamp_ns):
            self._target, result = self._tracker.init(image.bgr(), self._box)
        else:
            return
        self._write(image, result, self._target)

    def _write(self, image: BagImage, result: TrackResult, target: Target) -> None:
        is_seen = target.is_seen
        objects = [tracked_object(self._writer.types, result, int(target.state), is_seen)]
        array = self._writer.types["siammaskpp/msg/TrackedObjectArray"](header=image.header, objects=objects)
        self._writer.write(OBJECTS_TOPIC, array, image.recorded_ns)
        self.images += 1
        if is_seen and result.mask is not None:
            mask = mask_image(self._writer.types, image.header, result.mask)
            self._writer.write(MASK_TOPIC, mask, image.recorded_ns)
            self.masks += 1


def tracked_object(types: dict[str, Any], result: TrackResult, state: int, is_seen: bool) -> Any:
    """The siammaskpp/TrackedObject of a result; without a place when it is not seen."""
    rotated = result.rotated_box
    box = map(float, result.box_xywh) if is_seen else (0.0,) * 4
    places = (rotated.center_x, rotated.center_y, rotated.width, rotated.height, rotated.angle_rad)
    corners = np.asarray(rotated.corners(), np.float64).reshape(8)
    return types["siammaskpp/msg/TrackedObject"](
        id=TARGET_ID,
        label="",
        state=state,
        score=float(np.nan_to_num(result.confidence)),
        box=types["siammaskpp/msg/Box"](*box),
        rotated_box=types["siammaskpp/msg/RotatedBox"](
            *(map(float, places) if is_seen else (0.0,) * 5), corners if is_seen else np.zeros(8)
        ),
        mask_value=int(is_seen),
    )


def mask_image(types: dict[str, Any], header: Any, mask: np.ndarray[Any, Any]) -> Any:
    """A mono8 sensor_msgs/Image of a mask, uint8 [H, W]."""
    height, width = mask.shape
    return types["sensor_msgs/msg/Image"](
        header=header,
        height=height,
        width=width,
        encoding="mono8",
        is_bigendian=0,
        step=width,
        data=np.ascontiguousarray(mask).reshape(-1),
    )


def _with_progress(bag: Bag, topic: str, is_copied: bool) -> Iterator[RawMessage]:
    """The messages to go through, with a bar that counts them."""
    topics = None if is_copied else {topic}
    total = sum(item.msgcount for item in bag.connections) if is_copied else bag.count(topic)
    yield from tqdm(bag.messages(topics), total=total, unit="msg", desc=bag.path.name, mininterval=0.5)


def _check_free(bag: Bag) -> None:
    """The results' topics must not be in the bag that is copied."""
    taken = {item.topic for item in bag.connections} & {OBJECTS_TOPIC, MASK_TOPIC}
    if taken:
        raise BagError(f"{bag.path}: has {', '.join(sorted(taken))} already; leave --copy out")


def _first_stamp(bag: Bag, topic: str, stamp_s: Decimal | None) -> int | None:
    """The stamp of the image on which the box was drawn; :class:`BagError` when no image has it."""
    if stamp_s is None:
        return None
    wanted_ns = int(stamp_s * 1_000_000_000)
    stamps = [image.stamp_ns for image in bag.images(topic)]
    if wanted_ns in stamps:
        return wanted_ns
    nearest = min(stamps, key=lambda stamp: abs(stamp - wanted_ns))
    raise BagError(
        f"{bag.path}: no image on {topic} has the stamp {stamp_s}; the nearest one has "
        f"{_seconds(nearest)}, they go from {_seconds(min(stamps))} to {_seconds(max(stamps))}"
    )


def _seconds(stamp_ns: int) -> str:
    return f"{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000:09d}"
