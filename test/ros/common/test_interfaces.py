"""The tables in tools.interfaces agree with the running nodes and with docs/nodes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from rclpy.node import Node
from ros_harness import FAKE_NODE, Client, NodeProcess, interrupt_all, scene

from siammaskpp_ros.common.processes import installed
from tools.interfaces import INTERFACES, UNCONDITIONAL, Endpoint, Interface
from tools.node_docs import pages

ROOT = Path(__file__).parents[3]
NO_NODES = {"bench_node"}
# Topics and services that rclpy and the lifecycle create in every node.
COMMON_TYPES = (
    "rcl_interfaces/",
    "lifecycle_msgs/srv",
    "type_description_interfaces/",
    "rosgraph_msgs/msg/Log",
)


def test_the_pages_are_written_from_the_code() -> None:
    folder = ROOT / "docs" / "nodes"
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert found == pages(), "run: python -m tools.node_docs"


def test_every_node_has_a_page() -> None:
    scripts = {path.name for path in (ROOT / "scripts").iterdir()}
    assert {item.node for item in INTERFACES} == scripts - NO_NODES


def test_types_that_the_pages_link_to_are_there() -> None:
    for interface in INTERFACES:
        for endpoint in (*interface.subscribed, *interface.published, *interface.offered, *interface.called):
            package, folder, name = endpoint.type.split("/")
            assert package != "siammaskpp" or (ROOT / folder / f"{name}.{folder}").is_file()


def test_names_move_with_the_namespace() -> None:
    shared = {"/diagnostics", "/tf", "/clock"}
    for interface in INTERFACES:
        for endpoint in (*interface.subscribed, *interface.published, *interface.offered, *interface.called):
            assert not endpoint.name.startswith("/") or endpoint.name in shared


@pytest.fixture
def client(domain_id: int, tmp_path: Path) -> Iterator[Client]:
    """A client, while every node runs in its own namespace."""
    cv2.imwrite(str(tmp_path / "0.png"), scene())
    options = {
        "web_selector": ["-p", "port:=0"],
        "demo_camera": ["-p", f'video:="{tmp_path}"', "-p", "wait_for_subscribers:=100"],
        "demo_client": ["-p", f'output:="{tmp_path / "output"}"'],
    }
    processes = []
    for interface in INTERFACES:
        name = interface.node
        command = [*FAKE_NODE, "0.0"] if name == "tracker_node" else [sys.executable, *installed(name)]
        arguments = ["--ros-args", "-r", f"__ns:=/{name}_space", *options.get(name, [])]
        processes.append(NodeProcess([*command, *arguments], domain_id))
    client = Client(domain_id)
    yield client
    client.close()
    interrupt_all(processes)


@pytest.mark.ros
def test_the_running_nodes_have_what_is_declared(client: Client) -> None:
    for interface in INTERFACES:
        queries = {
            "subscribed": (client.node.get_subscriber_names_and_types_by_node, interface.subscribed),
            "published": (client.node.get_publisher_names_and_types_by_node, interface.published),
            "offered": (client.node.get_service_names_and_types_by_node, interface.offered),
            "called": (client.node.get_client_names_and_types_by_node, interface.called),
        }
        for what, (query, endpoints) in queries.items():
            allowed = {named(interface, item) for item in endpoints}
            needed = {named(interface, item) for item in endpoints if item.condition in UNCONDITIONAL}

            def found(query=query, interface=interface) -> set[tuple[str, str]]:
                return seen(query, interface, client.node)

            client.until(lambda: needed <= found(), f"{interface.node} has {what} {needed}", 30.0)  # noqa: B023
            assert found() <= allowed, f"{interface.node}: {what}"


def named(interface: Interface, endpoint: Endpoint) -> tuple[str, str]:
    space = f"/{interface.node}_space"
    name = endpoint.name.replace("~", f"{space}/{interface.node}")
    return (name if name.startswith("/") else f"{space}/{name}"), endpoint.type


def seen(query, interface: Interface, node: Node) -> set[tuple[str, str]]:
    try:
        rows = query(interface.node, f"/{interface.node}_space")
    except RuntimeError:  # the node is not discovered yet
        return set()
    return {(name, kind) for name, kinds in rows for kind in kinds if not kind.startswith(COMMON_TYPES)}
