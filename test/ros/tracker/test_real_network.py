"""The installed node with the default weights: it starts fast, is small, and tracks a real texture."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix
from ros_harness import Client, NodeProcess, ball, ball_box, decoded, interrupt_all

from siammaskpp.msg import TrackedObject
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_tracker
from siammaskpp_core.engines.options import EngineOptions

pytestmark = pytest.mark.ros
EXECUTABLE = str(Path(get_package_prefix("siammaskpp")) / "lib" / "siammaskpp" / "tracker_node")


@pytest.fixture
def process(domain_id: int) -> Iterator[NodeProcess]:
    process = NodeProcess([EXECUTABLE], domain_id)
    yield process
    process.end()


def test_ready_within_five_seconds_and_follows(process: NodeProcess, client: Client) -> None:
    process.wait_for_text("Ready")
    # The CPU time of the start: on an idle machine the start takes no longer, because nothing waits in it.
    assert process.cpu_s() < 5.0
    client.connect()
    client.track(ball((200, 240))[0])
    answer = client.set_target(ball_box((200, 240)))
    assert answer.success, answer.message
    overlaps = []
    for x in range(204, 300, 8):
        picture, truth = ball((x, 240))
        result = client.track(picture)
        assert result.objects[0].state != TrackedObject.LOST
        client.until(lambda h=result.header: client.masks and client.masks[-1].header == h, "the mask comes")
        mask = decoded(client.masks[-1]) > 0
        overlaps.append((mask & truth).sum() / (mask | truth).sum())
    assert min(overlaps) > 0.5, overlaps
    assert resident_mb(process.pid) < 500

    process.interrupt()
    assert process.wait() == 0, process.text


def test_engine_and_model_that_are_used_are_named(domain_id: int, tmp_path: Path) -> None:
    """Not the words of the parameters: auto, and a home folder that is written ~."""
    model = tmp_path / "models" / "mine"
    shutil.copytree(DEFAULT_MODEL, model)
    used = load_tracker(model, EngineOptions("auto")).engine.name
    assert used in ("onnxruntime", "openvino", "tensorrt")
    arguments = ["--ros-args", "-p", "engine:=auto", "-p", "model:=~/models/mine"]
    process = NodeProcess([EXECUTABLE, *arguments], domain_id, {"HOME": str(tmp_path)})
    client = Client(domain_id)
    try:
        process.wait_for_text(f"; engine {used}, model {model}\n")
        client.connect()
        assert (client.statuses[-1].engine, client.statuses[-1].model) == (used, str(model))
        interrupt_all([process])
    finally:
        client.close()
        process.end()


def test_lost_and_found(process: NodeProcess, client: Client) -> None:
    """The ball leaves the image and returns elsewhere; while it is LOST it has no box and no mask."""
    process.wait_for_text("Ready")
    client.connect()
    client.track(ball((200, 240))[0])
    assert client.set_target(ball_box((200, 240))).success
    for x in (206, 212, 218):
        assert client.track(ball((x, 240))[0]).objects[0].state == TrackedObject.TRACKING
    wall, _ = ball((2000, 240))
    states = [client.track(wall).objects[0].state for _ in range(14)]
    assert states[-1] == TrackedObject.LOST, states
    client.masks.clear()
    for _ in range(4):
        (item,) = client.track(wall).objects
        assert (item.state, item.box.width, item.mask_value) == (TrackedObject.LOST, 0, 0)
    assert client.masks == []
    places = []
    for step in range(10):
        x, y = 440 + 5 * step, 330
        (item,) = client.track(ball((x, y))[0]).objects
        places.append((item.state, item.box.x - ball_box((x, y))[0], item.box.y - ball_box((x, y))[1]))
        if item.state == TrackedObject.TRACKING:
            break
    state, off_x, off_y = places[-1]
    assert state == TrackedObject.TRACKING, places
    assert max(abs(off_x), abs(off_y)) < 20, places
    assert {state for state, *_ in places[:-1]} == {TrackedObject.LOST}
    process.interrupt()
    assert process.wait() == 0, process.text


def resident_mb(pid: int) -> float:
    """Return the peak resident memory of the process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
