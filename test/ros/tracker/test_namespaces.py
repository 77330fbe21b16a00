"""Several trackers at once: each has its own camera, targets and results."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builtin_interfaces.msg import Time
from ros_harness import FAKE_NODE, GREEN, Client, NodeProcess, interrupt_all, scene
from sensor_msgs.msg import Image

from siammaskpp.msg import TrackedObjectArray
from siammaskpp_ros.common.conversions import to_image

pytestmark = pytest.mark.ros


@pytest.fixture
def clients(domain_id: int) -> Iterator[list[Client]]:
    """A client for each of two nodes, which have different namespaces."""
    processes = [
        NodeProcess([*FAKE_NODE, "0.0", "--ros-args", "-r", f"__ns:={space}"], domain_id)
        for space in ("/left", "/right/inner")
    ]
    clients = [Client(domain_id, space) for space in ("/left", "/right/inner")]
    yield clients
    for client in clients:
        client.close()
    interrupt_all(processes)


def test_two_nodes_in_two_namespaces(clients: list[Client]) -> None:
    pictures = [scene(), scene(x=200, colour=GREEN)]
    for client, picture, box in zip(clients, pictures, ((100, 50, 40, 30), (200, 50, 40, 30)), strict=True):
        client.connect()
        client.track(picture)
        assert client.set_target(box).success
    for _ in range(3):
        for client, picture, x in zip(clients, pictures, (100, 200), strict=True):
            (item,) = client.track(picture).objects
            assert item.box.x == x
    assert clients[0].remove_target().success
    assert clients[0].track(pictures[0]).objects == []
    assert len(clients[1].track(pictures[1]).objects) == 1


def test_node_and_camera_can_be_renamed(domain_id: int) -> None:
    arguments = ("-r", "__node:=second", "-r", "image:=/camera/color/image_raw")
    process = NodeProcess([*FAKE_NODE, "0.0", "--ros-args", *arguments], domain_id)
    client = Client(domain_id)
    try:
        results: list[TrackedObjectArray] = []
        client.node.create_subscription(TrackedObjectArray, "/second/tracked_objects", results.append, 1)
        camera = client.node.create_publisher(Image, "/camera/color/image_raw", 1)

        def is_tracked() -> bool:
            camera.publish(to_image(scene(), "bgr8", client.header()))
            return bool(results)

        client.until(is_tracked, "the renamed node tracks in the renamed camera's images")
        assert results[0].header.stamp != Time()
        process.interrupt()
        assert process.wait() == 0, process.text
    finally:
        client.close()
        process.end()
