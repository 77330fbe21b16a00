"""Track one object through the images of a ROS 2 bag, and write what the node would publish to a new bag."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from siammaskpp_core.arrays import Mask
from siammaskpp_core.errors import extra, with_causes
from siammaskpp_core.io.results import fill_tracked_object
from siammaskpp_core.io.stamps import NS_PER_S, Order, StampOrder, seconds_text
from siammaskpp_core.offline import TARGET_ID
from siammaskpp_core.outcome import Interrupt, Outcome
from siammaskpp_core.tracking import LongTermTracker, Target, TrackResult

with extra("bag", "for bags"):
    from siammaskpp_core.io.bags import (
        Bag,
        BagError,
        BagImage,
        BagWriter,
        DamagedBagError,
        RawMessage,
        bag_name,
        create_bag,
        open_bag,
    )

OBJECTS_TOPIC, MASK_TOPIC = "/tracker_node/tracked_objects", "/tracker_node/mask"
"""Topics of the results; a node with default names publishes on the same ones."""


def track_bag(
    path: Path,
    topic: str,
    box_xywh: list[float],
    load: Callable[[], LongTermTracker],
    *,
    output: Path | None = None,
    stamp_s: Decimal | None = None,
    is_copied: bool = False,
) -> Outcome:
    """Track through the images on `topic` of the bag at `path`, and return a line that says what was written.

    `box_xywh` (left, top, width, height in pixels) lies on the image with the stamp `stamp_s`, by default on
    the first image. The results go to the new bag `output`, by default PATH_tracked; with `is_copied` all
    topics of the old bag go there as well. `load` is called once the bag has been found usable. Images that
    cannot be read, topics that cannot be copied, and the part of the bag behind a damaged place are left out.
    Ctrl-C ends the new bag with the images until then. Raises :class:`BagError`, OutputError, and what `load`
    and the tracker raise; no output remains then.
    """
    with Interrupt() as interrupt, open_bag(path) as bag:
        bag.count(topic)
        left_out = _check_copy(bag) if is_copied else {}
        output = output or _default_output(path)
        first_ns = _first_stamp(bag, topic, stamp_s)
        tracker = load()
        with create_bag(output, bag.is_mcap) as writer:
            recorder = _Recorder(tracker, box_xywh, first_ns, writer)
            start_s = time.perf_counter()
            messages = _with_progress(bag, topic, is_copied)
            for message in _until_damage(messages, recorder.left_out):
                if is_copied and message.connection.topic not in left_out:
                    writer.copy(bag, message)
                if message.connection.topic == topic:
                    recorder.track(bag, message)
                if interrupt.is_requested:
                    break
            total_s = time.perf_counter() - start_s
            if recorder.images == 0:
                if interrupt.is_requested:
                    raise KeyboardInterrupt
                raise BagError(with_causes(f"{path}: no image on {topic} can be read", recorder.left_out))
    text = (
        f"{output}: {recorder.images} images on {OBJECTS_TOPIC}, {recorder.masks} masks on {MASK_TOPIC}; "
        f"{recorder.images / total_s:.1f} images/s"
    )
    reasons = (*left_out.values(), *recorder.left_out)
    return Outcome(text, reasons, is_interrupted=interrupt.is_requested)


def _default_output(path: Path) -> Path:
    """Return the path NAME_tracked beside the bag at `path`, which may be . or .. as well."""
    place = path if path.name not in ("", "..") else path.resolve()
    return place.with_name(f"{bag_name(place)}_tracked")


def _until_damage(messages: Iterator[RawMessage], left_out: list[str]) -> Iterator[RawMessage]:
    """Yield the messages up to the place where the bag cannot be read on, which is added to `left_out`."""
    try:
        yield from messages
    except DamagedBagError as error:
        left_out.append(f"the rest of the bag: {error}")


class _Recorder:
    """Tracks the target from image to image and writes the results; `first_ns` None takes the first image.

    `left_out` receives a message for each image that cannot be read or is out of order.
    """

    def __init__(
        self, tracker: LongTermTracker, box_xywh: list[float], first_ns: int | None, writer: BagWriter
    ) -> None:
        self.images = self.masks = 0
        self.left_out: list[str] = []
        self._tracker = tracker
        self._box_xywh = box_xywh
        self._first_ns = first_ns
        self._target: Target | None = None
        self._order = StampOrder()
        self._writer = writer

    def track(self, bag: Bag, message: RawMessage) -> None:
        """Find the target in an image and write the result; skip images before the one with the box.

        Raises :class:`BagError` when the image with the box was chosen by its stamp and cannot be read.
        """
        try:
            image = bag.image(message)
            is_first = self._target is None and self._first_ns in (None, image.stamp_ns)
            if self._target is None and not is_first:
                return
            if self._order.check(image.stamp_ns) is Order.LATE:
                raise BagError(
                    f"the image recorded at {image.recorded_ns / NS_PER_S:.3f} s is out of order: a newer "
                    "one was recorded before it"
                )
            bgr = image.bgr()
        except BagError as error:
            if self._target is None and self._first_ns is not None:
                raise
            self.left_out.append(str(error))
            return
        if self._target is None:
            self._target, result = self._tracker.init(bgr, self._box_xywh)
        else:
            (result,) = self._tracker.step(bgr, [self._target], image.stamp_ns)
        self._write(image, result, self._target)

    def _write(self, image: BagImage, result: TrackResult, target: Target) -> None:
        types = self._writer.types
        item = _empty_object(types)
        fill_tracked_object(item, result, int(target.state), mask_value=int(target.is_seen))
        array = types["siammaskpp/msg/TrackedObjectArray"](header=image.header, objects=[item])
        self._writer.write(OBJECTS_TOPIC, array, image.recorded_ns)
        self.images += 1
        if target.is_seen and result.mask is not None:
            self._writer.write(MASK_TOPIC, _mask_image(types, image.header, result.mask), image.recorded_ns)
            self.masks += 1


def _empty_object(types: dict[str, Any]) -> Any:
    """Return a siammaskpp/TrackedObject of the target with all other fields zero."""
    return types["siammaskpp/msg/TrackedObject"](
        id=TARGET_ID,
        label="",
        state=0,
        score=0.0,
        box=types["siammaskpp/msg/Box"](*(0.0,) * 4),
        rotated_box=types["siammaskpp/msg/RotatedBox"](*(0.0,) * 5, np.zeros(8)),
        mask_value=0,
    )


def _mask_image(types: dict[str, Any], header: Any, mask: Mask) -> Any:
    """Return a mono8 sensor_msgs/Image of a mask."""
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
    """Yield the messages of all topics, or of `topic` alone, and show a progress bar."""
    topics = None if is_copied else {topic}
    total = sum(item.msgcount for item in bag.connections) if is_copied else bag.count(topic)
    yield from tqdm(bag.messages(topics), total=total, unit="msg", desc=bag.path.name, mininterval=0.5)


def _check_copy(bag: Bag) -> dict[str, str]:
    """Return the topics that cannot be copied, with the reasons.

    Raises :class:`BagError` when a bag cannot be copied at all: when it is of ROS 1, or has the topics of the
    results already.
    """
    if not bag.is_ros2:
        raise BagError(
            f"{bag.path}: a bag of ROS 1 cannot be copied into one of ROS 2; leave --copy out, or convert it "
            f"first: rosbags-convert --src {bag.path} --dst converted"
        )
    taken = {item.topic for item in bag.connections} & {OBJECTS_TOPIC, MASK_TOPIC}
    if taken:
        raise BagError(f"{bag.path}: has {', '.join(sorted(taken))} already; leave --copy out")
    return {
        item.topic: f"the topic {item.topic} was not copied: the bag does not define its type {item.msgtype}"
        for item in bag.connections
        if item.msgcount and not bag.has_definition(item.msgtype)
    }


def _first_stamp(bag: Bag, topic: str, stamp_s: Decimal | None) -> int | None:
    """Return the stamp in ns of the image with the box; raise :class:`BagError` when no image has it."""
    if stamp_s is None:
        return None
    wanted_ns = int(stamp_s * NS_PER_S)
    problems: list[str] = []
    stamps = []
    for message in _until_damage(bag.messages({topic}), problems):
        try:
            stamps.append(bag.image(message).stamp_ns)
        except BagError as error:
            problems.append(str(error))
    if wanted_ns in stamps:
        return wanted_ns
    if not stamps:
        raise BagError(with_causes(f"{bag.path}: no image on {topic} can be read", problems))
    nearest = min(stamps, key=lambda stamp: abs(stamp - wanted_ns))
    raise BagError(
        f"{bag.path}: no image on {topic} has the stamp {stamp_s}; the nearest one has "
        f"{seconds_text(nearest)}, they go from {seconds_text(min(stamps))} to {seconds_text(max(stamps))}"
    )
