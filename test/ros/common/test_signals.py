"""Every node ends cleanly after any signal that ends processes, and more of them change nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from ros_harness import FAKE_NODE, Client, NodeProcess, scene, send_until_it_ends

from siammaskpp_ros.common.processes import installed

pytestmark = pytest.mark.ros

ROOT = Path(__file__).parents[3]
NODES = ("follower", "sim_robot", "web_selector", "demo_camera", "demo_client", "tracker_node")


@pytest.fixture
def client(domain_id: int) -> Iterator[Client]:
    client = Client(domain_id)
    yield client
    client.close()


def command(name: str, folder: Path) -> list[str]:
    cv2.imwrite(str(folder / "0.png"), scene())
    options = {
        "web_selector": ["-p", "port:=0"],
        "demo_camera": ["-p", f'video:="{folder}"', "-p", "wait_for_subscribers:=100"],
        "demo_client": ["-p", f'output:="{folder / "output"}"'],
    }
    executable = [*FAKE_NODE, "0.0"] if name == "tracker_node" else installed(name)
    return [*executable, "--ros-args", *options.get(name, [])]


@pytest.mark.parametrize(
    ("first", "others"),
    [(signal.SIGINT, signal.SIGINT), (signal.SIGHUP, signal.SIGTERM), (signal.SIGQUIT, signal.SIGQUIT)],
)
@pytest.mark.parametrize("name", NODES)
def test_signals_end_a_node_cleanly(
    domain_id: int, client: Client, tmp_path: Path, name: str, first: int, others: int
) -> None:
    process = NodeProcess(command(name, tmp_path), domain_id)
    try:
        client.until(lambda: name in client.node.get_node_names(), f"{name} runs")
        client.spin(0.3)
        send_until_it_ends(process, first, others)
    finally:
        process.end()


@pytest.mark.parametrize("module", ["rclpy.node", "cv2"])
def test_signals_while_modules_are_loaded(domain_id: int, module: str) -> None:
    script = ROOT / "scripts" / "tracker_node"
    process = NodeProcess([sys.executable, "-X", "importtime", str(script)], domain_id)
    try:
        process.wait_for_text(f" {module}\n")
        send_until_it_ends(process, signal.SIGTERM, signal.SIGINT)
    finally:
        process.end()


def test_under_nohup_a_node_outlives_its_terminal(domain_id: int, client: Client) -> None:
    process = NodeProcess(["nohup", *installed("follower")], domain_id)
    try:
        client.until(lambda: "follower" in client.node.get_node_names(), "follower runs")
        os.kill(process.pid, signal.SIGHUP)
        client.spin(0.5)
        assert process.is_running()
        send_until_it_ends(process, signal.SIGTERM, signal.SIGTERM)
    finally:
        process.end()


def test_a_benchmark_that_is_interrupted_twice_leaves_no_node_behind(domain_id: int, client: Client) -> None:
    process = NodeProcess([*installed("bench_node"), "--frames", "100000"], domain_id)
    try:
        client.until(lambda: "bench_camera" in client.node.get_node_names(), "the benchmark runs")
        for _ in range(2):
            os.kill(process.pid, signal.SIGINT)
            time.sleep(0.05)
        assert process.wait() == 130, process.text
        assert "Traceback" not in process.text
    finally:
        process.end()
    client.until(lambda: "bench_camera" not in client.node.get_node_names(), "no node is left")
