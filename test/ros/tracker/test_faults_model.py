"""Missing or damaged models and runtimes: configuring says why, and works after they are repaired."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_under_test import Node

from siammaskpp.msg import TrackerStatus
from siammaskpp_core.engines.load import DEFAULT_MODEL

pytestmark = pytest.mark.ros


def damaged(folder: Path) -> None:
    content = (folder / "search.onnx").read_bytes()
    (folder / "search.onnx").write_bytes(content[: len(content) // 2])


def without_weights(folder: Path) -> None:
    (folder / "template.onnx").unlink()


def absent(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def idle_node(module_domain_id: int) -> Iterator[Node]:
    command = [
        sys.executable,
        "-c",
        "import sys; from siammaskpp_ros.tracker.node import main; sys.exit(main())",
    ]
    arguments = ["--ros-args", "-p", "autostart:=false", "-r", "__ns:=/models"]
    node = Node([*command, *arguments], module_domain_id, "/models")
    node.client.until(lambda: node.client.statuses, "status comes")
    yield node
    node.close()


def change(node: Node, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(node.client.call(ChangeState, "tracker_node/change_state", request).success)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damaged, "search.onnx is damaged"),
        (without_weights, "template.onnx is missing; copy the whole folder"),
        (absent, "is not a model folder"),
    ],
)
def test_a_model_that_cannot_be_loaded_can_be_mended(
    idle_node: Node, tmp_path: Path, damage: Callable[[Path], None], reason: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(DEFAULT_MODEL, folder)
    damage(folder)
    assert idle_node.client.set_parameters(model=str(folder)).successful
    assert not change(idle_node, Transition.TRANSITION_CONFIGURE)
    status = idle_node.status(TrackerStatus.ERROR, reason)
    assert str(folder) in status.message
    assert reason in idle_node.process.text

    shutil.copytree(DEFAULT_MODEL, folder, dirs_exist_ok=True)
    assert change(idle_node, Transition.TRANSITION_CONFIGURE)
    idle_node.status(TrackerStatus.INACTIVE, "not active")
    assert change(idle_node, Transition.TRANSITION_CLEANUP)


def test_a_runtime_that_is_not_there(idle_node: Node) -> None:
    pytest.importorskip("onnxruntime")
    try:
        import tensorrt  # noqa: F401
    except ImportError:
        assert idle_node.client.set_parameters(model="", engine="tensorrt").successful
        assert not change(idle_node, Transition.TRANSITION_CONFIGURE)
        idle_node.status(TrackerStatus.ERROR, "TensorRT")
        assert idle_node.client.set_parameters(engine="onnxruntime").successful
        assert change(idle_node, Transition.TRANSITION_CONFIGURE)
        assert change(idle_node, Transition.TRANSITION_CLEANUP)
    else:
        pytest.skip("TensorRT is installed here")
