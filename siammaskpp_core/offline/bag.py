"""Track objects through the images of a ROS 2 bag, and write what the node would publish or other data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

from tqdm import tqdm

from siammaskpp_core.errors import extra, with_causes
from siammaskpp_core.io.frame import FIRST, Moment, number_name
from siammaskpp_core.io.stamps import NS_PER_S, Order, StampOrder, seconds_text
from siammaskpp_core.offline.journal import Journal
from siammaskpp_core.offline.run import Run, states_text
from siammaskpp_core.offline.session import Selection, Session
from siammaskpp_core.offline.writers.base import Recording, Writer
from siammaskpp_core.offline.writers.formats import BAG, FORMATS, OutputPlan, default_path, open_writers
from siammaskpp_core.outcome import Interrupt, Outcome
from siammaskpp_core.tracking import LongTermTracker

with extra("bag", "for bags"):
    from siammaskpp_core.io.bags import (
        Bag,
        BagError,
        BagFrame,
        BagWriter,
        DamagedBagError,
        RawMessage,
        bag_name,
        create_bag,
        open_bag,
    )
    from siammaskpp_core.offline.writers.ros_bag import MASK_TOPIC, OBJECTS_TOPIC, RESULT_TOPICS, BagRecorder


def track_bag(
    path: Path,
    topic: str,
    selections: Sequence[Selection],
    load: Callable[[], LongTermTracker],
    outputs: Sequence[OutputPlan],
    *,
    writers: Sequence[Writer] = (),
    stamp_s: Decimal | None = None,
    start: Moment = FIRST,
    end: Moment | None = None,
    name: str | None = None,
    classes: Sequence[str] = (),
    journal: Journal | None = None,
    is_copied: bool = False,
) -> Outcome:
    """Track through the images on `topic` of the bag at `path`, and return a line that says what was written.

    A selection without a moment is made on the image with the stamp `stamp_s`, by default on the first image
    from `start` on. `writers` receive the results beside the outputs, of which one may be of the format
    :data:`~siammaskpp_core.offline.writers.formats.BAG`; with `is_copied` all topics of the old bag go there
    as well. `name` and `classes` are those of the recording in data sets, the name by default that of the
    bag. Images whose results are in `journal` are not tracked again, and new results go there. `load` is
    called once the bag has been found usable. Images that cannot be read, topics that cannot be copied, and
    the part of the bag behind a damaged place are left out. Ctrl-C ends the outputs with the images until
    then. Raises :class:`BagError`, OutputError, what `load` and the tracker raise; no output remains then.
    """
    with Interrupt() as interrupt, open_bag(path) as bag, ExitStack() as stack:
        count = bag.count(topic)
        not_copied = _check_copy(bag) if is_copied else {}
        first_ns = _first_stamp(bag, topic, stamp_s)
        tracker = load()
        images = _Images(bag, topic, first_ns, start, end)
        others = [plan for plan in outputs if plan.format != BAG]
        own = stack.enter_context(open_writers(others, _recording(bag, count, name, classes)))
        recorder = None
        for plan in outputs:
            if plan.format == BAG:
                writer = stack.enter_context(create_bag(plan.path, bag.is_mcap))
                recorder = BagRecorder(writer)
                own.append(recorder)
                if is_copied:
                    images.copy_to(writer, set(not_copied))
        run = Run(Session(tracker), selections, [*own, *writers], journal)
        start_s = time.perf_counter()
        for frame in images:
            images.bar.set_postfix_str(states_text(run.take(frame)), refresh=False)
            if interrupt.is_requested:
                break
        total_s = time.perf_counter() - start_s
        if run.count == 0:
            if interrupt.is_requested:
                raise KeyboardInterrupt
            raise BagError(with_causes(f"{path}: no image on {topic} can be read", images.left_out))
    run.end(is_finished=not interrupt.is_requested)
    lines = [f"{run.count} images, {run.count / total_s:.1f} images/s"]
    if run.count > run.tracked:
        lines[0] += f"; {run.count - run.tracked} images were tracked before"
    for plan in outputs:
        topics = ""
        if plan.format == BAG and recorder is not None:
            topics = f": {recorder.images} images on {OBJECTS_TOPIC}, {recorder.masks} masks on {MASK_TOPIC}"
        lines.append(f"{plan.path}{topics}")
    reasons = (*not_copied.values(), *images.left_out, *run.unused)
    return Outcome("\n".join(lines), reasons, is_interrupted=interrupt.is_requested)


def default_output(path: Path, format: str) -> Path:
    """Return a free path for an output beside the bag at `path`, which may be . or .. as well."""
    place = _named(path)
    ending = "_tracked" if format == BAG else FORMATS[format].ending
    return default_path(place.parent, bag_name(place), ending)


def _named(path: Path) -> Path:
    return path if path.name not in ("", "..") else path.resolve()


def _recording(bag: Bag, count: int, name: str | None, classes: Sequence[str]) -> Recording:
    """Return the recording with the mean rate of its `count` images."""
    duration_s = bag.duration_s
    fps = count / duration_s if duration_s > 0 else None
    return Recording(name or bag_name(_named(bag.path)), fps, tuple(classes))


class _Images:
    """The images of a bag that are tracked, from the first one with a box on; can be iterated over once.

    `left_out` receives a message for each image that cannot be read or is out of order, and for the rest of
    the bag behind a place where it is damaged.
    """

    def __init__(self, bag: Bag, topic: str, first_ns: int | None, start: Moment, end: Moment | None) -> None:
        self.left_out: list[str] = []
        self.bar: Any = None
        """The progress bar; it exists while the images are iterated over."""
        self._bag, self._topic, self._first_ns = bag, topic, first_ns
        self._start, self._end = start, end
        self._is_begun = False
        self._order = StampOrder()
        self._origin_ns: int | None = None
        self._is_ended = False
        self._copy: Callable[[RawMessage], None] | None = None

    def copy_to(self, writer: BagWriter, left_out: set[str]) -> None:
        """Copy all messages to `writer` while the images are read, but those of the topics `left_out`."""

        def copy(message: RawMessage) -> None:
            if message.connection.topic not in left_out:
                writer.copy(self._bag, message)

        self._copy = copy

    def __iter__(self) -> Iterator[BagFrame]:
        """Yield the images.

        Raises :class:`BagError` when the image with the box was chosen by its stamp and cannot be read.
        """
        bag = self._bag
        topics = None if self._copy else {self._topic}
        total = sum(item.msgcount for item in bag.connections) if self._copy else bag.count(self._topic)
        messages = _until_damage(bag.messages(topics), self.left_out)
        self.bar = tqdm(messages, total=total, unit="msg", desc=bag.path.name, mininterval=0.5)
        number = -1
        for message in self.bar:
            if self._copy is not None:
                self._copy(message)
            if message.connection.topic != self._topic:
                continue
            number += 1
            try:
                frame = self._frame(message, number)
            except BagError as error:
                if not self._is_begun and self._first_ns is not None:
                    raise
                self.left_out.append(str(error))
                continue
            if frame is not None:
                yield frame
            elif self._is_ended and self._copy is None:
                return

    def _frame(self, message: RawMessage, number: int) -> BagFrame | None:
        """Return an image; None before the first and behind the last that is wanted."""
        image = self._bag.image(message)
        self._origin_ns = image.stamp_ns if self._origin_ns is None else self._origin_ns
        elapsed_ns = image.stamp_ns - self._origin_ns
        if self._end is not None and self._end.is_passed(number, elapsed_ns):
            self._is_ended = True
        if self._is_ended or not (
            self._is_begun
            or image.stamp_ns == self._first_ns
            or (self._first_ns is None and self._start.is_reached(number, elapsed_ns))
        ):
            return None
        if self._order.check(image.stamp_ns) is Order.LATE:
            raise BagError(
                f"the image recorded at {image.recorded_ns / NS_PER_S:.3f} s is out of order: a newer "
                "one was recorded before it"
            )
        bgr = image.bgr()
        self._is_begun = True
        return BagFrame(
            number,
            image.stamp_ns,
            bgr,
            number_name(number),
            origin_ns=self._origin_ns,
            header=image.header,
            recorded_ns=image.recorded_ns,
        )


def _until_damage(messages: Iterator[RawMessage], left_out: list[str]) -> Iterator[RawMessage]:
    """Yield the messages up to the place where the bag cannot be read on, which is added to `left_out`."""
    try:
        yield from messages
    except DamagedBagError as error:
        left_out.append(f"the rest of the bag: {error}")


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
    taken = {item.topic for item in bag.connections} & {*RESULT_TOPICS}
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
