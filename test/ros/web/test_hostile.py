"""The web selector and those who wish it ill: floods, unfinished and broken requests, a rogue tracker."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import ExitStack, suppress
from typing import Any

import aiohttp
import pytest
from builtin_interfaces.msg import Time
from extreme_messages import extreme_messages
from limits import open_files
from ros_harness import scene
from std_msgs.msg import Header
from web_harness import ASKED, Http, Robot

from siammaskpp.msg import TrackedObjectArray
from siammaskpp_ros.common.conversions import to_image
from siammaskpp_ros.web.feed import FeedImage, LiveFeed, encode

pytestmark = pytest.mark.ros


def connect(page: Http, source: str = "127.0.0.1") -> socket.socket:
    host, port = page.host.split(":")
    return socket.create_connection((host, int(port)), timeout=10, source_address=(source, 0))


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9"], ids=["same machine", "other machine"])
def test_idle_connections_do_not_shut_the_owner_out(source: str, robot: Robot) -> None:
    """Each connection takes a file descriptor, of which a process has 1,024 by default (here 400)."""
    with open_files(400):
        page = Http(robot.start_page("-r", "__ns:=/nobody"))

    async def look() -> None:
        async with (
            aiohttp.ClientSession(headers=page.own) as session,
            session.ws_connect(f"http://{page.host}/live") as live,
        ):
            await live.receive(10.0)
            with ExitStack() as stack:
                for number in range(600):
                    flood = stack.enter_context(connect(page, source))
                    if number % 2:
                        flood.sendall(b"GET / HTTP/1.1\r\nHost: ")
                    if number % 50 == 0:
                        status, _, _ = await asyncio.to_thread(page.request, "GET", "/")
                        assert status == 200
                start_s = time.monotonic()
                status, _, _ = await asyncio.to_thread(page.request, "GET", "/")
                assert status == 200
                assert time.monotonic() - start_s < 5
                await live.send_str("next")  # the page that was open stays open
                with suppress(asyncio.TimeoutError):  # it may have news, but no end
                    news = await live.receive(1.0)
                    assert news.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), news
                assert not live.closed

    asyncio.run(look())
    assert "Traceback" not in robot.processes[-1].text


def test_ctrl_c_does_not_wait_for_those_who_never_finish(robot: Robot) -> None:
    page = Http(robot.start_page("-r", "__ns:=/nobody"))
    head = f"POST /set_target HTTP/1.1\r\nHost: {page.host}\r\nOrigin: http://{page.host}\r\n"
    upgrade = (
        f"GET /live HTTP/1.1\r\nHost: {page.host}\r\nOrigin: http://{page.host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    with ExitStack() as stack:
        for text in ("GET / HT", f"{head}Content-Length: 500\r\n\r\n{{", f"{upgrade}\r\n"):
            stack.enter_context(connect(page)).sendall(text.encode())
        time.sleep(1.0)
        start_s = time.monotonic()
        robot.processes[-1].interrupt()
        assert robot.processes[-1].wait() == 0
        assert time.monotonic() - start_s < 5.0
    assert "Traceback" not in robot.processes[-1].text


def test_a_request_that_is_never_finished_ends(robot: Robot) -> None:
    page = Http(robot.start_page("-r", "__ns:=/nobody"))
    with connect(page) as connection:
        connection.settimeout(20)
        head = f"POST /set_target HTTP/1.1\r\nHost: {page.host}\r\nOrigin: http://{page.host}\r\n"
        connection.sendall(f"{head}Content-Length: 500\r\n\r\n{{".encode())
        answer = connection.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert "not complete after" in answer


BROKEN: dict[str, bytes] = {
    "cut": b'{"id": ',
    "nothing": b"",
    "bytes": b"\xff\xfe\x00\x81",
    "depth": b"[" * 4000,
    "list": b"[1, 2]",
    "text": b'"a"',
    "nothing at all": b"null",
    "half a character": json.dumps({**ASKED, "id": "\ud800"}).encode(),
    "zero": json.dumps({**ASKED, "id": "a\0b"}).encode(),
    "no number": json.dumps({**ASKED, "box": [float("inf"), 1, 2, 10**400]}).encode(),
    "infinite stamp": json.dumps(
        {**ASKED, "header": {"stamp": {"sec": float("inf"), "nanosec": 0}, "frame_id": ""}}
    ).encode(),
    "stamp out of range": json.dumps(
        {**ASKED, "header": {"stamp": {"sec": 2**31, "nanosec": -1}, "frame_id": ""}}
    ).encode(),
    "long id": json.dumps({**ASKED, "id": "x" * 3000, "header": 7}).encode(),
    "digits": b'{"id": "a", "box": [' + b"9" * 3000 + b"]}",
}


def test_broken_requests_are_refused_without_a_traceback(robot: Robot) -> None:
    page = Http(robot.start_page("-r", "__ns:=/nobody"))
    kinds = ("application/json", "text/plain; charset=no-such-charset", "a; charset=rot13")
    for path in ("/set_target", "/remove_target"):
        for name, body in BROKEN.items():
            if path == "/remove_target" and b'"id": "' in body and name not in ("half a character", "zero"):
                continue  # its id is fine
            status, text, _ = page.send("POST", path, body, **page.own)
            assert (status, json.loads(text)["success"]) == (400, False), (path, name, text)
            assert "the request cannot be read: " in text
            assert len(text) < 500
        for kind in kinds[1:]:
            body = json.dumps(ASKED).encode()
            status, text, _ = page.send("POST", path, body, **page.own, **{"Content-Type": kind})
            assert status in (400, 503), (path, kind, text)
        status, text, _ = page.send(
            "POST", path, b"no zip", **page.own, **{"Content-Encoding": "gzip", "Content-Type": kinds[0]}
        )
        assert status == 400, text
    no_requests = (b"\x16\x03\x01\x02\0", b"GET / HTTP/9.9\r\n\r\n", b"GET  \r\n\r\n", b"\0\r\n\r\n")
    for raw in no_requests:
        with connect(page) as connection:
            connection.sendall(raw)
            connection.settimeout(1.0)
            with suppress(OSError):
                connection.recv(1000)
    assert page.request("GET", "/")[0] == 200
    assert "Traceback" not in robot.processes[-1].text


def strict(text: str | bytes) -> Any:
    """Return the value of a JSON text as a browser reads it: without NaN and Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_picture_is_shown_whatever_the_tracker_says() -> None:
    header = Header(stamp=Time(sec=1), frame_id="camera")
    feed = LiveFeed()
    feed.add_image(to_image(scene(), "bgr8", header), 0.0)
    frame = feed._frames.newest()
    assert frame is not None
    small = to_image(scene()[:9, :7, 0].copy(), "mono8", header)
    broken = to_image(scene(), "mono8", header)
    broken.step = 3
    for labels in (None, to_image(scene(), "bgr8", header), small, broken):
        for message in extreme_messages(TrackedObjectArray):
            data = encode(FeedImage(frame, tuple(message.objects), labels), 320)
            length = int.from_bytes(data[:4], "big")
            text = strict(data[4 : 4 + length])
            assert len(data) > length + 1000  # the picture is there
            assert all(isinstance(item["state"], str) and 0 <= item["score"] <= 1 for item in text["objects"])


def test_simulated_time_that_stands_still_stops_no_picture(robot: Robot) -> None:
    robot.start_tracker()
    page = Http(robot.start_page("-p", "use_sim_time:=true"))

    async def look() -> None:
        async with (
            aiohttp.ClientSession(headers=page.own) as session,
            session.ws_connect(f"http://{page.host}/live") as live,
        ):
            await live.send_str("next")
            end_s = time.monotonic() + 10.0
            while (await live.receive(end_s - time.monotonic())).type != aiohttp.WSMsgType.BINARY:
                pass

    asyncio.run(look())
