"""Read and write ROS 2 bags (MCAP and sqlite3) without a ROS installation; needs the extra [bag]."""

from __future__ import annotations

import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection, MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag2 import StoragePlugin, Writer, storage_mcap
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from siammaskpp_core.arrays import Image
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.bit_depth import ValueRange
from siammaskpp_core.io.frame import Frame
from siammaskpp_core.io.image_messages import ImageMessageError, compressed_to_bgr, raw_to_bgr
from siammaskpp_core.io.images import visible_files
from siammaskpp_core.io.outputs import NO_SPACE, no_space
from siammaskpp_core.io.package_files import package_file
from siammaskpp_core.io.stamps import NS_PER_S, stamp_ns

_DECODERS: dict[str, Any] = {
    "sensor_msgs/msg/Image": raw_to_bgr,
    "sensor_msgs/msg/CompressedImage": compressed_to_bgr,
}
_MESSAGES = ("Box", "RotatedBox", "TrackedObject", "TrackedObjectArray")
_STORAGES = (".mcap", ".db3", ".bag")
_read_message_definition = storage_mcap.get_msgdef


def _message_definition(schema: storage_mcap.Schema | None) -> MessageDefinition:
    """Return the definition of the messages of a channel, which is empty for JSON, Protobuf and the like."""
    try:
        return _read_message_definition(schema)
    except KeyError:
        return MessageDefinition(MessageDefinitionFormat.NONE, "")


# rosbags refuses a whole file for one channel whose messages are not of ROS.
storage_mcap.get_msgdef = _message_definition


class BagError(UserError):
    """A bag that cannot be read or written; the message names the cause and a remedy."""


class DamagedBagError(BagError):
    """A bag that cannot be read to its end."""


@dataclass(frozen=True)
class BagImage:
    """One image of a bag: a sensor_msgs/Image or CompressedImage, and when it was recorded."""

    message: Any
    recorded_ns: int
    value_range: ValueRange
    """The range of values of its topic, for images with 16 bits."""

    @property
    def header(self) -> Any:
        """The image's std_msgs/Header."""
        return self.message.header

    @property
    def stamp_ns(self) -> int:
        """The stamp of the header in ns."""
        return stamp_ns(self.header.stamp)

    def bgr(self) -> Image:
        """Return the decoded image, uint8 [H, W, 3] BGR; raises :class:`BagError` when that fails."""
        try:
            return _DECODERS[self.message.__msgtype__](self.message, self.value_range)
        except ImageMessageError as error:
            raise BagError(f"the image recorded at {self.recorded_ns / NS_PER_S:.3f} s: {error}") from error


@dataclass(frozen=True, repr=False)
class BagFrame(Frame):
    """An image of a bag as a frame, with what its results need."""

    header: Any = None
    """The image's std_msgs/Header."""
    recorded_ns: int = 0


@dataclass(frozen=True)
class RawMessage:
    """A message of any type in its serialised form."""

    connection: Connection
    recorded_ns: int
    data: bytes


class Bag:
    """An open bag, made by :func:`open_bag`."""

    def __init__(self, path: Path, reader: AnyReader) -> None:
        self.path = path
        self._reader = reader
        self._value_ranges: defaultdict[str, ValueRange] = defaultdict(ValueRange)
        self.connections: list[Connection] = reader.connections
        self.typestore: Typestore = reader.typestore

    @property
    def is_mcap(self) -> bool:
        """True for an MCAP bag, False for a sqlite3 bag."""
        return any(".mcap" in file.suffixes for file in _storage_files(self.path))

    @property
    def is_ros2(self) -> bool:
        """True for a bag of ROS 2, False for one of ROS 1."""
        return self._reader.is2

    @property
    def duration_s(self) -> float:
        """Time from the first recorded message to the last, in seconds."""
        return float(self._reader.duration) / NS_PER_S

    def has_definition(self, kind: str) -> bool:
        """Return True when the bag defines the messages of this type, so that they can be copied."""
        try:
            self.typestore.generate_msgdef(kind, ros_version=2)
        except Exception:  # rosbags fails in several ways on a type that it does not know
            return False
        return True

    def image_topics(self) -> dict[str, int]:
        """Return the number of images of every topic that carries images."""
        topics: dict[str, int] = {}
        for connection in self.connections:
            if connection.msgtype in _DECODERS:
                topics[connection.topic] = topics.get(connection.topic, 0) + connection.msgcount
        return topics

    def count(self, topic: str) -> int:
        """Return the number of images on `topic`.

        Raises :class:`BagError`, which names the topics with images, when there are none.
        """
        topics = self.image_topics()
        if topics.get(topic):
            return topics[topic]
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(topics.items()) if count)
        known = {connection.topic: connection.msgtype for connection in self.connections}
        if topic in topics:
            cause = f"the topic {topic} is empty"
        elif topic in known:
            cause = f"the topic {topic} is of type {known[topic]}, not of images"
        else:
            cause = f"there is no topic {topic}"
        raise BagError(f"{self.path}: {cause}; topics with images: {listed or 'none'}")

    def messages(self, topics: set[str] | None = None) -> Iterator[RawMessage]:
        """Yield the messages of `topics` (None: of all topics) in the order of their recording.

        Raises :class:`DamagedBagError` where the bag cannot be read on.
        """
        chosen = [item for item in self.connections if topics is None or item.topic in topics]
        try:
            for connection, recorded_ns, data in self._reader.messages(chosen) if chosen else ():
                yield RawMessage(connection, recorded_ns, bytes(data))
        except Exception as error:  # rosbags and the libraries below it fail in many ways
            raise DamagedBagError(
                f"{self.path}: damaged or cut off ({error}); {_remedy(self.path)}"
            ) from error

    def image(self, message: RawMessage) -> BagImage:
        """Return the image in a `message` of a topic with images; :class:`BagError` for a damaged message."""
        try:
            content = self._reader.deserialize(message.data, message.connection.msgtype)
        except Exception as error:  # rosbags fails in many ways on a message that is too short
            raise BagError(
                f"the message recorded at {message.recorded_ns / NS_PER_S:.3f} s on "
                f"{message.connection.topic} cannot be read: {error}"
            ) from error
        value_range = self._value_ranges[message.connection.topic]
        return BagImage(content, message.recorded_ns, value_range)


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """Open the bag at `path`, a folder or a single .mcap or .db3 file.

    A folder may lack metadata.yaml, which a recorder writes at its end. Raises :class:`BagError` when there
    is no bag that can be read.
    """
    if not path.exists():
        raise BagError(f"{path}: no such file or folder")
    try:
        is_indexed = path.is_file() or (path / "metadata.yaml").is_file()
        files = [path] if is_indexed else _storage_files(path) or [path]
        reader = AnyReader(files, default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except Exception as error:  # rosbags fails in many ways on files that are damaged or no bags
        raise BagError(f"{path}: not a bag that can be read ({error}); {_remedy(path)}") from error
    try:
        yield Bag(path, reader)
    finally:
        reader.close()


def bag_name(path: Path) -> str:
    """Return the name of a bag: that of its folder, or that of its file without the suffix."""
    return path.stem if path.suffix in _STORAGES and path.is_file() else path.name


def _storage_files(path: Path) -> list[Path]:
    """Return the files with the messages of a bag."""
    files = visible_files(path) if path.is_dir() else [path]
    return [file for file in files if set(_STORAGES) & set(file.suffixes)]


def _remedy(path: Path) -> str:
    """Return how to rescue what a damaged bag holds."""
    for file in _storage_files(path):
        if ".mcap" in file.suffixes:
            return f"rescue what there is: mcap recover {file} -o rescued.mcap (github.com/foxglove/mcap)"
        if ".db3" in file.suffixes:
            return f"rescue what there is: sqlite3 {file} .recover | sqlite3 rescued.db3"
    return "the folder of a ROS 2 bag, or its .mcap or .db3 file, is expected"


class BagWriter:
    """Writes new messages, and copies messages of other bags; made by :func:`create_bag`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._connections: dict[tuple[str, str], Connection] = {}
        self._typestore = interfaces()
        self.types: dict[str, Any] = self._typestore.types
        """Message classes by name, such as std_msgs/msg/Header or siammaskpp/msg/Box."""

    def write(self, topic: str, message: Any, recorded_ns: int) -> None:
        """Write a message whose class is one of `types`."""
        kind: str = message.__msgtype__
        connection = self._connections.get((topic, kind))
        if connection is None:
            connection = self._writer.add_connection(topic, kind, typestore=self._typestore)
            self._connections[topic, kind] = connection
        self._writer.write(connection, recorded_ns, self._typestore.serialize_cdr(message, kind))

    def copy(self, bag: Bag, message: RawMessage) -> None:
        """Write a message of `bag`, which defines its type, unchanged and with the time of its recording."""
        source = message.connection
        connection = self._connections.get((source.topic, source.msgtype))
        if connection is None:
            connection = self._writer.add_connection(
                source.topic,
                source.msgtype,
                typestore=bag.typestore,
                offered_qos_profiles=getattr(source.ext, "offered_qos_profiles", ()),
            )
            self._connections[source.topic, source.msgtype] = connection
        self._writer.write(connection, message.recorded_ns, message.data)


@contextmanager
def create_bag(path: Path, is_mcap: bool = True) -> Iterator[BagWriter]:
    """Create a bag in the folder `path`, which appears only if the ``with`` block ends without an error.

    Raises :class:`BagError` when the place cannot be used, and
    :class:`~siammaskpp_core.io.outputs.OutputError` when the disk is full.
    """
    if path.exists():
        raise BagError(f"{path}: exists already; choose another output or remove it")
    if not path.parent.is_dir():
        raise BagError(f"{path}: the folder {path.parent} does not exist; create it first")
    # Writer names the files of a bag after its folder: that folder has its final name from the start.
    work = path.with_name(f".{path.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    storage = StoragePlugin.MCAP if is_mcap else StoragePlugin.SQLITE3
    try:
        with Writer(work / path.name, version=9, storage_plugin=storage) as writer:
            yield BagWriter(writer)
        (work / path.name).replace(path)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, OSError) and error.errno not in NO_SPACE:
            raise
        raise no_space(path, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def interfaces() -> Typestore:
    """Return the message types of ROS 2 Jazzy and of this package."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for name in _MESSAGES:
        path = package_file(f"msg/{name}.msg")
        if path is None:
            raise BagError(
                f"siammaskpp's message definition {name}.msg is not installed; install the package again"
            )
        types |= get_types_from_msg(path.read_text(encoding="utf-8"), f"siammaskpp/msg/{name}")
    store.register(types)
    return store
