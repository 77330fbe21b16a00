"""The example of a ROS client, with a node that tracks by the fake tracker."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from node_under_test import Node
from ros_harness import FAKE_NODE, NodeProcess, interrupt_all, scene

SCRIPT = Path(__file__).parents[2] / "examples" / "ros_client.py"


@pytest.mark.ros
def test_a_client_selects_an_object_and_prints_its_results(domain_id: int) -> None:
    node = Node([*FAKE_NODE, "0.0"], domain_id)
    client = NodeProcess([sys.executable, str(SCRIPT), "100,50,40,30"], domain_id)
    try:
        deadline_s = time.monotonic() + 60
        while "example  TRACKING" not in client.text:
            assert time.monotonic() < deadline_s, client.text
            node.client.send(scene())
            node.client.spin(0.1)
        assert "box 100,50,40,30" in client.text
    finally:
        node.close()
        interrupt_all([client])
