"""The subcommand `track-bag`, with bags made on the fly and a tracker that follows a bright square."""

import csv
import json
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import command
import cv2
import numpy as np
import pytest
from bright_square import BrightSquare
from limits import files_up_to

pytest.importorskip("rosbags", reason="the extra [bag] is not installed")

from rosbags.highlevel import AnyReader
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from siammaskpp_core.offline.writers.ros_bag import LABELS_TOPIC, MASK_TOPIC, OBJECTS_TOPIC

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types
TOPIC = "/camera/image_raw"
IMAGES = 6
BOX = ("--box", "20,30,25,20")
# Seconds with digits that a float would lose.
FIRST_NS = 1_700_000_000_123_456_789
STEP_NS = 100_000_001
RECORDED_LATER_NS = 7_000_000


class TurnedSquare(BrightSquare):
    angle_rad = 0.5


@pytest.fixture(autouse=True)
def fake_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    command.use_tracker(monkeypatch, TurnedSquare)


def picture(index: int) -> np.ndarray:
    image = np.full((96, 128, 3), 40, np.uint8)
    image[30:50, 20 + 4 * index : 45 + 4 * index] = 255
    return image


def header(index: int):
    ns = FIRST_NS + index * STEP_NS
    return TYPES["std_msgs/msg/Header"](
        TYPES["builtin_interfaces/msg/Time"](ns // 10**9, ns % 10**9), "camera_optical_frame"
    )


def raw(index: int, image: np.ndarray):
    return TYPES["sensor_msgs/msg/Image"](header(index), 96, 128, "bgr8", 0, 384, image.reshape(-1))


def compressed(index: int, image: np.ndarray):
    data = cv2.imencode(".png", image)[1].reshape(-1)
    return TYPES["sensor_msgs/msg/CompressedImage"](header(index), "png", data)


def write_bag(path: Path, plugin=StoragePlugin.MCAP, make=raw, pictures=None, images=IMAGES) -> Path:
    """A bag of images on TOPIC, with a string before each, and an empty topic."""
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        texts = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=STORE)
        writer.add_connection("/empty", "sensor_msgs/msg/Image", typestore=STORE)
        kind = make(0, picture(0)).__msgtype__
        camera = writer.add_connection(TOPIC, kind, typestore=STORE)
        for index in range(images):
            recorded_ns = FIRST_NS + index * STEP_NS + RECORDED_LATER_NS
            text = TYPES["std_msgs/msg/String"](f"text {index}")
            writer.write(texts, recorded_ns - 1, STORE.serialize_cdr(text, text.__msgtype__))
            message = make(index, pictures[index] if pictures else picture(index))
            writer.write(camera, recorded_ns, STORE.serialize_cdr(message, kind))
    return path


def read(path: Path) -> Iterator[tuple[str, int, object]]:
    """Topic, time and content of every message, by rosbags with the types in the bag."""
    with AnyReader([path]) as reader:
        for connection, recorded_ns, data in reader.messages():
            yield connection.topic, recorded_ns, reader.deserialize(data, connection.msgtype)


def run(*arguments) -> int:
    return command.run("track-bag", *arguments)


def error_of(capsys, *arguments) -> str:
    return command.error_of(capsys, "track-bag", *arguments)


@pytest.mark.parametrize("make", [raw, compressed])
@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_results_have_the_stamps_and_frames_of_the_images(tmp_path, plugin, make, capsys) -> None:
    bag = write_bag(tmp_path / "ride", plugin, make)
    assert run(bag, "--topic", TOPIC, *BOX) == 0
    output = tmp_path / "ride_tracked"
    assert "6 images on /tracker_node/tracked_objects, 6 masks" in capsys.readouterr().out
    suffix = ".mcap" if plugin == StoragePlugin.MCAP else ".db3"
    assert sorted(file.name for file in output.iterdir()) == sorted(
        ["metadata.yaml", f"ride_tracked{suffix}"]
    )

    messages = list(read(output))
    assert len(messages) == 2 * IMAGES
    arrays = [(time, content) for topic, time, content in messages if topic == OBJECTS_TOPIC]
    masks = [(time, content) for topic, time, content in messages if topic == MASK_TOPIC]
    for index, ((time, array), (mask_time, mask)) in enumerate(zip(arrays, masks, strict=True)):
        assert time == mask_time == FIRST_NS + index * STEP_NS + RECORDED_LATER_NS
        for own in (array.header, mask.header):
            assert own.stamp.sec * 10**9 + own.stamp.nanosec == FIRST_NS + index * STEP_NS
            assert own.frame_id == "camera_optical_frame"
        (item,) = array.objects
        assert (item.id, item.state, item.mask_value) == ("target", 1, 1)
        assert item.score == pytest.approx(0.75)
        assert (item.box.x, item.box.y, item.box.width, item.box.height) == (20 + 4 * index, 30, 25, 20)
        rotated = item.rotated_box
        assert (rotated.center_x, rotated.center_y, rotated.angle) == (32.5 + 4 * index, 40, 0.5)
        assert rotated.corners.reshape(4, 2).mean(axis=0) == pytest.approx((32.5 + 4 * index, 40), abs=1e-4)
        assert (mask.height, mask.width, mask.step, mask.encoding) == (96, 128, 128, "mono8")
        np.testing.assert_array_equal(mask.data.reshape(96, 128) == 255, picture(index)[:, :, 0] == 255)


def test_several_objects_have_labels_as_well(tmp_path) -> None:
    bag = write_bag(tmp_path / "ride")
    assert run(bag, "--topic", TOPIC, "--box", "cup=20,30,25,20", "--box", "20,30,25,20") == 0
    messages = list(read(tmp_path / "ride_tracked"))
    (array, *_) = [content for topic, _, content in messages if topic == OBJECTS_TOPIC]
    assert [(item.id, item.label) for item in array.objects] == [("cup", "cup"), ("target", "")]
    labels = [content for topic, _, content in messages if topic == LABELS_TOPIC]
    assert len(labels) == IMAGES
    assert set(np.unique(labels[0].data)) <= {0, 1, 2}


def test_other_formats_have_the_stamps_of_the_bag(tmp_path, capsys) -> None:
    bag = write_bag(tmp_path / "ride")
    range_of = ("--start", 1, "--end", "0.45s")
    assert run(bag, "--topic", TOPIC, "--box", "24,30,25,20", *range_of, "--format", "csv") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [str(tmp_path / "ride_tracked.csv")]
    with (tmp_path / "ride_tracked.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == [1, 2, 3, 4]
    assert rows[0]["stamp_s"] == "1700000000.223456790"
    table = ("--csv", tmp_path / "tracks.csv", "--output", tmp_path / "out")
    assert run(bag, "--topic", TOPIC, "--box", "20,30,25,20", *table) == 0
    assert results(tmp_path / "out") == list(range(IMAGES)), "the bag and a table in one run"
    error = error_of(capsys, bag, "--topic", TOPIC, *BOX, "--copy", "--format", "csv")
    assert "all topics are copied to a new bag" in error


def test_everything_is_copied_beside_the_results(tmp_path) -> None:
    bag = write_bag(tmp_path / "ride")
    assert run(bag, "--topic", TOPIC, *BOX, "--copy", "--output", tmp_path / "all") == 0
    messages = list(read(tmp_path / "all"))
    assert len(messages) == 4 * IMAGES
    texts = [(time, content.data) for topic, time, content in messages if topic == "/chatter"]
    assert texts == [
        (FIRST_NS + index * STEP_NS + RECORDED_LATER_NS - 1, f"text {index}") for index in range(IMAGES)
    ]
    images = [content for topic, _, content in messages if topic == TOPIC]
    np.testing.assert_array_equal(images[3].data.reshape(96, 128, 3), picture(3))
    # The result can be tracked in, but not on top of itself.
    assert run(tmp_path / "all", "--topic", TOPIC, *BOX) == 0


def test_one_file_of_a_bag_is_enough(tmp_path) -> None:
    bag = write_bag(tmp_path / "ride")
    assert run(bag / "ride.mcap", "--topic", TOPIC, *BOX, "--output", tmp_path / "out") == 0
    assert len(list(read(tmp_path / "out"))) == 2 * IMAGES


def test_tracking_starts_on_the_image_with_the_stamp(tmp_path, capsys) -> None:
    bag = write_bag(tmp_path / "ride")
    arguments = (bag, "--topic", TOPIC, "--box", "28,30,25,20", "--output", tmp_path / "out")
    assert run(*arguments, "--stamp", "1700000000.323456792") == 2
    error = capsys.readouterr().err
    assert "the nearest one has 1700000000.323456791" in error
    assert "from 1700000000.123456789 to 1700000000.623456794" in error
    assert run(*arguments, "--stamp", "1700000000.323456791") == 0
    times = [time for topic, time, _ in read(tmp_path / "out") if topic == OBJECTS_TOPIC]
    assert times[0] == FIRST_NS + 2 * STEP_NS + RECORDED_LATER_NS
    assert len(times) == IMAGES - 2


def test_a_lost_target_has_no_place_and_no_mask(tmp_path) -> None:
    pictures = [picture(0), picture(1), *[np.zeros((96, 128, 3), np.uint8)] * 4]
    bag = write_bag(tmp_path / "ride", pictures=pictures)
    assert run(bag, "--topic", TOPIC, *BOX) == 0
    messages = list(read(tmp_path / "ride_tracked"))
    assert sum(topic == MASK_TOPIC for topic, _, _ in messages) == 2
    (item,) = messages[-1][2].objects
    assert (item.state, item.score, item.mask_value) == (3, 0, 0)
    assert (item.box.width, item.rotated_box.width) == (0, 0)


def test_what_cannot_be_tracked_is_said_and_leaves_nothing_behind(tmp_path, capsys) -> None:
    bag = write_bag(tmp_path / "ride")
    camera = ("--topic", TOPIC)
    assert "no such file or folder" in error_of(capsys, tmp_path / "missing", *camera, *BOX)
    for name in ("film.mp4", "film.mcap", "film.db3"):
        (tmp_path / name).write_bytes(b"no bag")
        assert "not a bag that can be read" in error_of(capsys, tmp_path / name, *camera, *BOX)
        (tmp_path / name).unlink()
    (tmp_path / "folder").mkdir()
    assert "not a bag that can be read" in error_of(capsys, tmp_path / "folder", *camera, *BOX)
    (tmp_path / "folder").rmdir()
    for topic, cause in (
        ("/image", "there is no topic /image"),
        ("/chatter", "the topic /chatter is of type std_msgs/msg/String"),
        ("/empty", "the topic /empty is empty"),
    ):
        error = error_of(capsys, bag, "--topic", topic, *BOX)
        assert cause in error
        assert "topics with images: /camera/image_raw (6)" in error
    for box, cause in (
        ("500,10,20,20", "outside the 128x96 image"),
        ("1,1,0,5", "empty"),
        ("nan,1,5,5", "finite"),
    ):
        assert cause in error_of(capsys, bag, *camera, "--box", box)
    assert "exists already" in error_of(capsys, bag, *camera, *BOX, "--output", bag)
    assert "create it first" in error_of(capsys, bag, *camera, *BOX, "--output", tmp_path / "no" / "bag")
    assert [path.name for path in tmp_path.iterdir()] == ["ride"]


def test_images_out_of_order_are_left_out_and_named(tmp_path, capsys) -> None:
    """A driver that exchanges two images."""
    order = [0, 1, 3, 2, *range(4, IMAGES)]

    def exchanged(index: int, image: np.ndarray):
        return TYPES["sensor_msgs/msg/Image"](
            header(order[index]), 96, 128, "bgr8", 0, 384, np.ascontiguousarray(image).reshape(-1)
        )

    bag = write_bag(tmp_path / "exchanged", make=exchanged)
    assert run(bag, "--topic", TOPIC, *BOX, "--output", tmp_path / "result") == 3
    output = "".join(capsys.readouterr())
    assert output.count("is out of order: a newer one was recorded before it") == 1


def test_images_that_cannot_be_read_are_named(tmp_path, capsys) -> None:
    def odd(index: int, image: np.ndarray):
        return TYPES["sensor_msgs/msg/Image"](header(index), 96, 128, "odd8", 0, 384, image.reshape(-1))

    bag = write_bag(tmp_path / "odd", make=odd)
    assert "no image on /camera/image_raw can be read" in error_of(capsys, bag, "--topic", TOPIC, *BOX)
    (bag / "metadata.yaml").unlink()
    assert run(bag, "--topic", TOPIC, *BOX) == 2
    error = capsys.readouterr().err
    assert error.count("the image recorded at 1700000000.") == IMAGES
    assert "encoding 'odd8' cannot be read; let the camera's driver publish one of these: bgr8" in error
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]
    empty = write_bag(tmp_path / "empty", images=0)
    assert "topics with images: none" in error_of(capsys, empty, "--topic", TOPIC, *BOX)


def test_a_bag_that_is_cut_off_leaves_nothing_behind(tmp_path, capsys) -> None:
    bag = write_bag(tmp_path / "ride")
    file = bag / "ride.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    error = error_of(capsys, bag, "--topic", TOPIC, *BOX)
    assert f"rescue what there is: mcap recover {file} -o rescued.mcap" in error
    assert [path.name for path in tmp_path.iterdir()] == ["ride"]


def test_types_that_nobody_defines_are_named(tmp_path, capsys) -> None:
    """Bags of Humble and earlier hold no definitions; those of standard messages are known."""
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("int32 number", "my_robot/msg/Battery"))
    bag = write_bag(tmp_path / "ride", StoragePlugin.SQLITE3)
    with Writer(tmp_path / "own", version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        battery = writer.add_connection("/battery", "my_robot/msg/Battery", typestore=store)
        content = store.types["my_robot/msg/Battery"](7)
        writer.write(battery, FIRST_NS, store.serialize_cdr(content, battery.msgtype))
        camera = writer.add_connection(TOPIC, "sensor_msgs/msg/Image", typestore=STORE)
        image = raw(0, picture(0))
        writer.write(camera, FIRST_NS + 1, STORE.serialize_cdr(image, image.__msgtype__))
    for folder in (bag, tmp_path / "own"):
        (file,) = folder.glob("*.db3")
        with sqlite3.connect(file) as database:
            database.execute("DELETE FROM message_definitions")
    assert run(bag, "--topic", TOPIC, *BOX, "--copy", "--output", tmp_path / "copy") == 0
    assert run(tmp_path / "own", "--topic", TOPIC, *BOX, "--output", tmp_path / "results") == 0
    capsys.readouterr()
    assert run(tmp_path / "own", "--topic", TOPIC, *BOX, "--copy") == 3
    error = capsys.readouterr().err
    assert "/battery was not copied: the bag does not define its type my_robot/msg/Battery" in error
    assert {topic for topic, _, _ in read(tmp_path / "own_tracked")} == {
        TOPIC,
        OBJECTS_TOPIC,
        MASK_TOPIC,
    }


@pytest.mark.parametrize("stamp", ["now", "nan", "-1", ""])
def test_stamps_that_are_no_seconds(stamp: str, capsys) -> None:
    with pytest.raises(SystemExit):
        run("ride", "--topic", TOPIC, *BOX, "--stamp", stamp)
    assert "seconds such as" in capsys.readouterr().err


def test_the_results_topics_are_not_written_twice(tmp_path, capsys) -> None:
    bag = write_bag(tmp_path / "ride")
    assert run(bag, "--topic", TOPIC, *BOX, "--copy", "--output", tmp_path / "all") == 0
    error = error_of(capsys, tmp_path / "all", "--topic", TOPIC, *BOX, "--copy")
    assert "/tracker_node/mask, /tracker_node/tracked_objects already; leave --copy out" in error


def test_without_rosbags_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['rosbags'] = None; sys.modules['rosbags.highlevel'] = None\n"
        "from siammaskpp_core.cli import main as cli\n"
        "sys.exit(cli.main(['track-bag', 'ride', '--topic', '/t', '--box', '1,2,3,4']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'siammaskpp[bag]'" in done.stderr


def results(bag: Path) -> list[int]:
    """The numbers of the images that have a result."""
    times = [time for topic, time, _ in read(bag) if topic == OBJECTS_TOPIC]
    return [(time - FIRST_NS - RECORDED_LATER_NS) // STEP_NS for time in times]


@pytest.mark.parametrize("bad", [0, 3])
def test_one_bad_image_is_left_out_and_named(tmp_path, capsys, bad) -> None:
    def odd(index: int, image: np.ndarray):
        message = compressed(index, image)
        if index == bad:
            message.data = np.zeros(0, np.uint8)
        return message

    bag = write_bag(tmp_path / "ride", make=odd)
    assert run(bag, "--topic", TOPIC, *BOX, "--copy") == 3
    output = capsys.readouterr()
    assert "5 images on" in output.out
    assert "left out: 1\n" in output.err
    assert "(0 bytes) cannot be decoded" in output.err
    assert results(tmp_path / "ride_tracked") == [index for index in range(IMAGES) if index != bad]
    assert sum(topic == TOPIC for topic, _, _ in read(tmp_path / "ride_tracked")) == IMAGES
    # The image on which the box was drawn must be a good one when it is chosen by its stamp.
    stamp = f"1700000000.{123456789 + bad * STEP_NS}"
    assert "cannot be decoded" in error_of(
        capsys, bag, "--topic", TOPIC, *BOX, "--stamp", stamp, "--output", tmp_path / "other"
    )


def test_a_message_that_is_cut_off_is_left_out_and_named(tmp_path, capsys) -> None:
    bag = write_bag(tmp_path / "ride", StoragePlugin.SQLITE3)
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as database:
        (row,) = database.execute("SELECT id FROM messages ORDER BY timestamp LIMIT 1 OFFSET 5").fetchone()
        database.execute("UPDATE messages SET data = substr(data, 1, 100) WHERE id = ?", (row,))
    assert run(bag, "--topic", TOPIC, *BOX) == 3
    assert "the message recorded at 1700000000.330 s on /camera/image_raw" in capsys.readouterr().err
    assert results(tmp_path / "ride_tracked") == [0, 1, 3, 4, 5]


def test_a_bag_damaged_in_its_middle_keeps_what_is_before(tmp_path, capsys) -> None:
    images = 60
    bag = write_bag(tmp_path / "ride", StoragePlugin.SQLITE3, images=images, pictures=[picture(0)] * images)
    (file,) = bag.glob("*.db3")
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 40 * 4096] = bytes([7]) * 40 * 4096
    file.write_bytes(data)
    assert run(bag, "--topic", TOPIC, *BOX) == 3
    output = capsys.readouterr()
    assert "the rest of the bag: " in output.err
    assert f"sqlite3 {file} .recover | sqlite3 rescued.db3" in output.err
    tracked = results(tmp_path / "ride_tracked")
    assert tracked == list(range(len(tracked)))
    assert 10 < len(tracked) < images


def test_ctrl_c_keeps_what_is_finished(tmp_path, capsys, monkeypatch) -> None:
    class Interrupted(TurnedSquare):
        steps = 0

        def step(self, *arguments):
            self.steps += 1
            if self.steps == 3:
                signal.raise_signal(signal.SIGINT)
            return super().step(*arguments)

    command.use_tracker(monkeypatch, Interrupted)
    bag = write_bag(tmp_path / "ride")
    assert run(bag, "--topic", TOPIC, *BOX) == 130
    output = capsys.readouterr()
    assert "4 images on" in output.out
    assert "interrupted" in output.err
    assert results(tmp_path / "ride_tracked") == [0, 1, 2, 3]
    assert run(bag, "--topic", TOPIC, *BOX) == 0, "the same command continues"
    assert "4 images were tracked before" in capsys.readouterr().out
    assert results(tmp_path / "ride_tracked") == list(range(IMAGES))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ride", "ride_tracked"]


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_a_full_disk_leaves_nothing_behind(tmp_path, plugin, capsys) -> None:
    bag = write_bag(tmp_path / "ride", plugin)
    with files_up_to(60_000):
        error = error_of(capsys, bag, "--topic", TOPIC, *BOX, "--copy")
    assert "ride_tracked: not written" in error
    assert "make space on the disk" in error
    assert [path.name for path in tmp_path.iterdir()] == ["ride"]


def test_a_bag_of_ros_1_is_not_copied_into_one_of_ros_2(tmp_path, capsys) -> None:
    store = get_typestore(Stores.ROS1_NOETIC)
    with Ros1Writer(tmp_path / "old.bag") as writer:
        camera = writer.add_connection(TOPIC, "sensor_msgs/msg/Image", typestore=store)
        for index in range(IMAGES):
            ns = FIRST_NS + index * STEP_NS
            stamp = store.types["builtin_interfaces/msg/Time"](ns // 10**9, ns % 10**9)
            head = store.types["std_msgs/msg/Header"](index, stamp, "camera_optical_frame")
            image = store.types["sensor_msgs/msg/Image"](
                head, 96, 128, "bgr8", 0, 384, picture(index).reshape(-1)
            )
            writer.write(camera, ns + RECORDED_LATER_NS, store.serialize_ros1(image, image.__msgtype__))
    error = error_of(capsys, tmp_path / "old.bag", "--topic", TOPIC, *BOX, "--copy")
    assert f"rosbags-convert --src {tmp_path}/old.bag --dst converted" in error
    assert run(tmp_path / "old.bag", "--topic", TOPIC, *BOX) == 0
    assert results(tmp_path / "old_tracked") == list(range(IMAGES))


def record(code: int, *fields: bytes) -> bytes:
    content = b"".join(fields)
    return struct.pack("<BQ", code, len(content)) + content


def sized(text: str) -> bytes:
    return struct.pack("<I", len(text.encode())) + text.encode()


def test_channels_that_are_not_of_ros_do_not_matter(tmp_path, capsys) -> None:
    """Foxglove and others write JSON into the same file."""
    definition, _ = STORE.generate_msgdef("sensor_msgs/msg/Image", ros_version=2)
    magic = b"\x89MCAP0\r\n"
    parts = [magic, record(1, sized("ros2"), sized("test"))]
    kinds = [("sensor_msgs/msg/Image", "ros2msg", definition, "cdr", TOPIC)]
    kinds.append(("Battery", "jsonschema", '{"type": "object"}', "json", "/battery"))
    for number, (name, encoding, text, data_encoding, topic) in enumerate(kinds, start=1):
        number_2 = struct.pack("<H", number)
        parts.append(record(3, number_2, sized(name), sized(encoding), sized(text)))
        channel = (number_2, number_2, sized(topic), sized(data_encoding), struct.pack("<I", 0))
        parts.append(record(4, *channel))
    for index in range(IMAGES):
        ns = FIRST_NS + index * STEP_NS + RECORDED_LATER_NS
        image = raw(index, picture(index))
        data = (bytes(STORE.serialize_cdr(image, image.__msgtype__)), json.dumps({"volt": 12}).encode())
        for number, content in enumerate(data, start=1):
            parts.append(record(5, struct.pack("<HIQQ", number, index, ns, ns), content))
    parts += [record(15, struct.pack("<I", 0)), record(2, struct.pack("<QQI", 0, 0, 0)), magic]
    (tmp_path / "mixed.mcap").write_bytes(b"".join(parts))
    bag = tmp_path / "mixed.mcap"
    assert run(bag, "--topic", TOPIC, *BOX) == 0
    assert results(tmp_path / "mixed_tracked") == list(range(IMAGES))
    assert run(bag, "--topic", TOPIC, *BOX, "--copy", "--output", tmp_path / "copy") == 3
    assert "/battery was not copied" in capsys.readouterr().err
    assert sum(topic == TOPIC for topic, _, _ in read(tmp_path / "copy")) == IMAGES


def test_names_of_bags(tmp_path, monkeypatch) -> None:
    for name in ("run_1.5", "run_1.7"):
        assert run(write_bag(tmp_path / name), "--topic", TOPIC, *BOX) == 0
    monkeypatch.chdir(tmp_path / "run_1.5")
    (tmp_path / "run_1.5_tracked").rename(tmp_path / "moved")
    assert run(".", "--topic", TOPIC, *BOX) == 0
    expected = ["moved", "run_1.5", "run_1.5_tracked", "run_1.7", "run_1.7_tracked"]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_a_folder_without_metadata_can_be_read(tmp_path, plugin) -> None:
    """A recorder writes metadata.yaml at its end, which a power cut prevents."""
    bag = write_bag(tmp_path / "ride", plugin)
    (bag / "metadata.yaml").unlink()
    assert run(bag, "--topic", TOPIC, *BOX) == 0
    assert results(tmp_path / "ride_tracked") == list(range(IMAGES))
