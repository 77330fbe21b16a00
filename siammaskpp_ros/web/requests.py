"""The commands of the web page as requests of the tracker's services."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from siammaskpp.msg import Box
from siammaskpp.srv import RemoveTarget, RenameTarget, SetTarget
from siammaskpp_core.web.source import text


def set_request(body: dict[str, Any]) -> SetTarget.Request:
    """Return the request for {header: {frame_id, stamp: {sec, nanosec}}, box: [x, y, w, h], id, label}."""
    sec, nanosec = int(body["header"]["stamp"]["sec"]), int(body["header"]["stamp"]["nanosec"])
    if not (-(2**31) <= sec < 2**31 and 0 <= nanosec < 2**32):
        raise ValueError("the stamp is out of range")
    x, y, width, height = map(float, body["box"])
    return SetTarget.Request(
        header=Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=text(body["header"]["frame_id"])),
        box=Box(x=x, y=y, width=width, height=height),
        id=text(body["id"]),
        label=text(body["label"]),
    )


def remove_request(body: dict[str, Any]) -> RemoveTarget.Request:
    """Return the request for {id}; an empty id means all targets."""
    return RemoveTarget.Request(id=text(body["id"]))


def rename_request(body: dict[str, Any]) -> RenameTarget.Request:
    """Return the request for {id, label}."""
    return RenameTarget.Request(id=text(body["id"]), label=text(body["label"]))
