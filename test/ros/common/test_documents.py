"""Documents and configurations of the nodes agree with the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import yaml

from tools.interfaces import INTERFACES

ROOT = Path(__file__).parents[3]
# Messages of other programs.
FOREIGN = {"_ARRAY_API not found"}


@cache
def said() -> list[str]:
    """Return every string in the code, with a gap for each formatted value, and the texts in msg/."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "msg").iterdir()]
    for folder in ("siammaskpp_core", "siammaskpp_ros"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = (item.value if isinstance(item, ast.Constant) else "\0" for item in node.values)
                    texts.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return texts


def test_quoted_messages_are_in_the_code() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    first_cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    quotes = [quote for cell in first_cells for quote in re.findall(r"`([^`]+)`", cell) if " " in quote]
    assert len(quotes) > 40
    texts = said()
    missing = [quote for quote in quotes if quote not in FOREIGN and not any(quote in item for item in texts)]
    assert not missing


def test_parameters_that_are_named_are_there() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "nodes" / "tracker_node.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)(?:: \w+)?`", text):
        is_known = f"`{name}`" in page or any(name in item for item in said())
        assert is_known or name in {"aligned_depth_to_color", "depth_registered", "frame_id"}, name


# Display -> type of the topics that it shows.
DISPLAYS = {
    "Image": "sensor_msgs/msg/Image",
    "MarkerArray": "visualization_msgs/msg/MarkerArray",
    "PoseWithCovariance": "geometry_msgs/msg/PoseWithCovarianceStamped",
    "PointCloud2": "sensor_msgs/msg/PointCloud2",
}


def test_rviz_shows_what_the_tracker_publishes() -> None:
    config = yaml.safe_load((ROOT / "config" / "tracker.rviz").read_text(encoding="utf-8"))
    displays = config["Visualization Manager"]["Displays"]
    shown = {
        (item["Topic"]["Value"], DISPLAYS[item["Class"].removeprefix("rviz_default_plugins/")])
        for item in displays
        if "Topic" in item
    }
    (tracker,) = (item for item in INTERFACES if item.node == "tracker_node")
    published = {(item.name.replace("~", "/tracker_node"), item.type) for item in tracker.published}
    assert shown - published == {("/image", "sensor_msgs/msg/Image")}
    assert {topic for topic in published - shown if topic[1] in DISPLAYS.values()} == set()
    assert any(item["Class"] == "rviz_default_plugins/TF" for item in displays)
    panels = {item["Name"] for item in displays if item["Class"].endswith("/Image")}
    assert panels <= set(config["Window Geometry"])
