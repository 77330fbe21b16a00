"""Message types in bags; the tests of `track-bag` read and write whole bags."""

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="the extra [bag] is not installed")

from siammaskpp_core.io import bags


def test_our_messages_have_the_type_hashes_that_ros_gives_them() -> None:
    """A bag whose types differ from the node's cannot be replayed to its subscribers."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    folders = [Path(prefix) / "share" / "siammaskpp" / "msg" for prefix in prefixes]
    built = [folder for folder in folders if (folder / "TrackedObjectArray.json").is_file()]
    if not built:
        pytest.skip("the package's interfaces are not built (make build)")
    hashes = json.loads((built[0] / "TrackedObjectArray.json").read_text(encoding="utf-8"))["type_hashes"]
    expected = {item["type_name"]: item["hash_string"] for item in hashes}
    store = bags.interfaces()
    for name in ("Box", "RotatedBox", "TrackedObject", "TrackedObjectArray"):
        assert store.hash_rihs01(f"siammaskpp/msg/{name}") == expected[f"siammaskpp/msg/{name}"]
