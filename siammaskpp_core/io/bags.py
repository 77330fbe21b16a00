"""Recordings of ROS 2 (MCAP and sqlite3 bags), read and written without a ROS installation.

Needs the extra [bag].
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from siammaskpp_core.arrays import Image
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.image_messages import ImageMessageError, compressed_to_bgr, raw_to_bgr

_DECODERS: dict[str, Any] = {
    "sensor_msgs/msg/Image": raw_to_bgr,
    "sensor_msgs/msg/CompressedImage": compressed_to_bgr,
}
_MESSAGES = ("Box", "RotatedBox", "TrackedObject", "TrackedObjectArray")


class BagError(UserError):
    """A bag that cannot be read or written; the text names the cause and what to do."""


@dataclass(frozen=True)
class BagImage:
    """One image of a bag; `recorded_ns` is when it was recorded."""

    message: Any  # sensor_msgs/Image or sensor_msgs/CompressedImage
    recorded_ns: int

    @property
    def header(self) -> Any:
        """Its std_msgs/Header."""
        return self.message.header

    @property
    def stamp_ns(self) -> int:
        """The header's stamp in ns."""
        return int(self.header.stamp.sec) * 1_000_000_000 + int(self.header.stamp.nanosec)

    def bgr(self) -> Image:
        """The picture, uint8 [H, W, 3]; :class:`BagError` when it cannot be read."""
        try:
            return _DECODERS[self.message.__msgtype__](self.message)
        except ImageMessageError as error:
            raise BagError(f"the image recorded at {self.recorded_ns * 1e-9:.3f} s: {error}") from error


@dataclass(frozen=True)
class RawMessage:
    """Any message as it lies in the bag."""

    connection: Connection
    recorded_ns: int
    data: bytes


class Bag:
    """An opened bag; see :func:`open_bag`."""

    def __init__(self, path: Path, reader: AnyReader) -> None:
        self.path = path
        self._reader = reader
        self.connections: list[Connection] = reader.connections
        self.typestore: Typestore = reader.typestore

    @property
    def is_mcap(self) -> bool:
        """Whether it is stored as MCAP (else: sqlite3)."""
        files = self.path.iterdir() if self.path.is_dir() else [self.path]
        return any(".mcap" in file.suffixes for file in files)

    def image_topics(self) -> dict[str, int]:
        """Topics of images and how many each has."""
        topics: dict[str, int] = {}
        for connection in self.connections:
            if connection.msgtype in _DECODERS:
                topics[connection.topic] = topics.get(connection.topic, 0) + connection.msgcount
        return topics

    def count(self, topic: str) -> int:
        """Images on `topic`; :class:`BagError` when there are none, naming the topics that have some."""
        topics = self.image_topics()
        if topics.get(topic):
            return topics[topic]
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(topics.items()) if count)
        known = {connection.topic: connection.msgtype for connection in self.connections}
        if topic in topics:
            what = f"the topic {topic} is empty"
        elif topic in known:
            what = f"the topic {topic} is of type {known[topic]}, not of images"
        else:
            what = f"there is no topic {topic}"
        raise BagError(f"{self.path}: {what}; topics with images: {listed or 'none'}")

    def messages(self, topics: set[str] | None = None) -> Iterator[RawMessage]:
        """All messages in the order in which they were recorded, or those of some topics."""
        chosen = [item for item in self.connections if topics is None or item.topic in topics]
        try:
            for connection, recorded_ns, data in self._reader.messages(chosen) if chosen else ():
                yield RawMessage(connection, recorded_ns, bytes(data))
        except (AnyReaderError, RuntimeError, AssertionError, OSError) as error:
            raise BagError(f"{self.path}: damaged or cut off ({error}); try ros2 bag reindex") from error

    def images(self, topic: str) -> Iterator[BagImage]:
        """The images on `topic`."""
        return map(self.image, self.messages({topic}))

    def image(self, message: RawMessage) -> BagImage:
        """The image in a `message` of a topic of images."""
        try:
            content = self._reader.deserialize(message.data, message.connection.msgtype)
        except AnyReaderError as error:
            raise BagError(
                f"{self.path}: a message on {message.connection.topic} cannot be read: {error}"
            ) from error
        return BagImage(content, message.recorded_ns)


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """The bag at `path`: a folder with metadata.yaml, or one .mcap or .db3 file. Raises :class:`BagError`."""
    if not path.exists():
        raise BagError(f"{path}: no such file or folder")
    try:
        reader = AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except Exception as error:  # readers of damaged files fail in many ways
        raise BagError(
            f"{path}: not a bag that can be read ({error}); the folder of a ROS 2 bag, or its .mcap or .db3 "
            "file, is expected"
        ) from error
    try:
        yield Bag(path, reader)
    finally:
        reader.close()


class BagWriter:
    """Writes results, and messages of other bags as they are; see :func:`create_bag`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._connections: dict[tuple[str, str], Connection] = {}
        self._typestore = interfaces()
        self.types: dict[str, Any] = self._typestore.types
        """Message classes by their name, such as std_msgs/msg/Header; siammaskpp's are among them."""

    def write(self, topic: str, message: Any, recorded_ns: int) -> None:
        """Write a message made of `types`."""
        kind: str = message.__msgtype__
        connection = self._connections.get((topic, kind))
        if connection is None:
            connection = self._writer.add_connection(topic, kind, typestore=self._typestore)
            self._connections[topic, kind] = connection
        self._writer.write(connection, recorded_ns, self._typestore.serialize_cdr(message, kind))

    def copy(self, bag: Bag, message: RawMessage) -> None:
        """Write a message of `bag` as it is."""
        source = message.connection
        connection = self._connections.get((source.topic, source.msgtype))
        if connection is None:
            try:
                connection = self._writer.add_connection(
                    source.topic,
                    source.msgtype,
                    typestore=bag.typestore,
                    offered_qos_profiles=getattr(source.ext, "offered_qos_profiles", ()),
                )
            except (TypesysError, KeyError) as error:
                raise BagError(
                    f"{bag.path}: the type {source.msgtype} of {source.topic} is not defined in the bag, so "
                    "that it cannot be copied; leave --copy out"
                ) from error
            self._connections[source.topic, source.msgtype] = connection
        self._writer.write(connection, message.recorded_ns, message.data)


@contextmanager
def create_bag(path: Path, is_mcap: bool = True) -> Iterator[BagWriter]:
    """A new bag in the folder `path`, which appears only if the ``with`` block ends without an error.

    Raises :class:`BagError` when the place is not usable.
    """
    if path.exists():
        raise BagError(f"{path}: exists already; choose another output or remove it")
    if not path.parent.is_dir():
        raise BagError(f"{path}: the folder {path.parent} does not exist; create it first")
    # The bag's files have their folder's name, so that one must be right from the start.
    work = path.with_name(f".{path.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    storage = StoragePlugin.MCAP if is_mcap else StoragePlugin.SQLITE3
    try:
        with Writer(work / path.name, version=9, storage_plugin=storage) as writer:
            yield BagWriter(writer)
        (work / path.name).replace(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def interfaces() -> Typestore:
    """The message types of ROS 2 Jazzy and of this package."""
    store = get_typestore(Stores.ROS2_JAZZY)
    folder = _message_folder()
    types: dict[str, Any] = {}
    for name in _MESSAGES:
        text = (folder / f"{name}.msg").read_text(encoding="utf-8")
        types |= get_types_from_msg(text, f"siammaskpp/msg/{name}")
    store.register(types)
    return store


def _message_folder() -> Path:
    """Where msg/ lies: in the repository, in a colcon workspace, or where pip has put it."""
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    folders = [Path(__file__).parents[2] / "msg"]
    folders += [Path(prefix) / "share" / "siammaskpp" / "msg" for prefix in prefixes]
    for folder in folders:
        if all((folder / f"{name}.msg").is_file() for name in _MESSAGES):
            return folder
    raise BagError(
        "siammaskpp's message definitions (msg/*.msg) are not installed; install the package again"
    )
