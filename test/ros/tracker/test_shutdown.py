"""Ctrl-C at any moment is a clean exit; a start that cannot work ends with a reason."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ros_harness import FAKE_NODE, Client, NodeProcess, scene

pytestmark = pytest.mark.ros


@pytest.fixture
def processes() -> Iterator[list[NodeProcess]]:
    started: list[NodeProcess] = []
    yield started
    for process in started:
        process.end()


def begin(processes: list[NodeProcess], domain_id: int, *arguments: str) -> NodeProcess:
    processes.append(NodeProcess([*FAKE_NODE, *arguments], domain_id))
    return processes[-1]


@pytest.mark.parametrize("step_s", [0.5, 300.0])
def test_interrupted_in_mid_inference(
    processes: list[NodeProcess], domain_id: int, client: Client, step_s: float
) -> None:
    process = begin(processes, domain_id, str(step_s))
    client.connect()
    client.until(lambda: (client.send(scene()), client.spin(0.2), client.objects)[-1], "an image arrives")
    assert client.set_target((100, 50, 40, 30)).success
    for _ in range(5):  # now a step is running for sure
        client.send(scene())
        client.spin(0.1)
    process.interrupt()
    # Before the launch system would send SIGTERM, 5 s after SIGINT.
    assert process.wait(4.9) == 0, process.text
    assert "Traceback" not in process.text


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.4])
def test_interrupted_just_after_the_start(
    processes: list[NodeProcess], domain_id: int, delay_s: float
) -> None:
    process = begin(processes, domain_id, "0.0")
    process.wait_for_text("Ready")
    time.sleep(delay_s)
    process.interrupt()
    assert process.wait() == 0, process.text
    assert "Traceback" not in process.text


def test_ended_by_sigterm(processes: list[NodeProcess], domain_id: int) -> None:
    process = begin(processes, domain_id, "0.0")
    process.wait_for_text("Ready")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait() == 0, process.text
    assert "Traceback" not in process.text


def test_interrupted_while_the_network_is_loaded(processes: list[NodeProcess], domain_id: int) -> None:
    process = begin(processes, domain_id, "0.0", "--load-seconds", "60")
    process.wait_for_text("loading")
    process.interrupt()
    assert process.wait() == 0, process.text
    assert "Traceback" not in process.text


@pytest.mark.parametrize(
    ("module", "delay_s"),
    [
        ("numpy", 0),
        ("rclpy.node", 0),
        ("cv2", 0),
        *[("onnxruntime", delay_s) for delay_s in (0, 0.1, 0.2, 0.4)],
    ],
)
def test_interrupted_at_any_moment_of_the_start(
    processes: list[NodeProcess], domain_id: int, module: str, delay_s: float
) -> None:
    """The real node: while a module is imported, the network loaded, the node configured and activated."""
    script = Path(__file__).parents[3] / "scripts" / "tracker_node"
    processes.append(NodeProcess([sys.executable, "-X", "importtime", str(script)], domain_id))
    process = processes[-1]
    process.wait_for_text(f" {module}\n")
    time.sleep(delay_s)
    process.interrupt()
    assert process.wait(10.0) == 0, process.text
    assert "Traceback" not in process.text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-p", "confidence_low:=0.9"), "above confidence_high"),
        (("-p", "confidence_low:=7.0"), "confidence_low"),
        (("-p", "engine:=abacus"), "not one of onnxruntime"),
        (("-p", "precision:=fp8"), "not one of fp32, fp16, bf16"),
        (("-p", "threads:=many"), "threads"),
        (("-p", "model:=/no/such/folder"), "/no/such/folder"),
    ],
)
def test_a_start_that_cannot_work_says_why(
    processes: list[NodeProcess], domain_id: int, arguments: tuple[str, ...], reason: str
) -> None:
    process = begin(processes, domain_id, "0.0", "--ros-args", *arguments)
    assert process.wait() == 1
    assert reason in process.text
    assert "Traceback" not in process.text


def test_the_parameters_of_the_engine_reach_it(processes: list[NodeProcess], domain_id: int) -> None:
    chosen = ("engine:=openvino", "precision:=bf16", "threads:=3", "cpu_affinity:=true")
    arguments = [word for parameter in chosen for word in ("-p", parameter)]
    begin(processes, domain_id, "0.0", "--ros-args", *arguments).wait_for_text("engine: openvino bf16 3 True")


def test_a_second_node_is_not_disturbed(processes: list[NodeProcess], domain_id: int) -> None:
    first = begin(processes, domain_id, "0.0", "--ros-args", "-r", "__ns:=/a")
    second = begin(processes, domain_id, "0.0", "--ros-args", "-r", "__ns:=/b")
    first.wait_for_text("/a/image")
    second.wait_for_text("/b/image")
    first.interrupt()
    assert first.wait() == 0
    client = Client(domain_id, namespace="/b")
    try:
        client.connect()
        assert client.track(scene()).objects == []
    finally:
        client.close()
    assert second.is_running()
