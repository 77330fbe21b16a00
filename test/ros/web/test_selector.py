"""The responses of the web selector to good and bad requests, and its start and end."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import aiohttp
import pytest
from ros_harness import NodeProcess
from web_harness import ASKED, Http, Robot

from siammaskpp_core.config import ConfigError
from siammaskpp_core.web.access import is_loopback, token_for, url
from siammaskpp_ros.common.processes import installed
from siammaskpp_ros.web.node import WebConfig
from tools.parameter_files import yaml_value

pytestmark = pytest.mark.ros

EVIL = "http://evil.example"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_without_a_tracker_commands_say_what_to_start(robot: Robot) -> None:
    page = Http(robot.start_page("-r", "__ns:=/nobody"))
    status, text, headers = page.request("GET", "/")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "http" not in text.replace("http-equiv", "")  # the page loads nothing from other sites
    for path in ("/set_target", "/remove_target"):
        status, text, _ = page.request("POST", path, ASKED, **page.own)
        assert status == 503
        assert "/nobody/tracker_node is not there" in json.loads(text)["message"]


def test_commands_in_a_namespace(robot: Robot) -> None:
    robot.start_tracker("/robot1")
    page = Http(robot.start_page("-r", "__ns:=/robot1"))
    robot.client.until(lambda: robot.client.objects, "images arrive")

    def ask(path: str, **changes: object) -> tuple[int, dict]:
        status, text, _ = page.request("POST", path, {**ASKED, **changes}, **page.own)
        return status, json.loads(text)

    robot.client.until(lambda: ask("/remove_target", id="")[0] == 200, "the service is found")
    status, answer = ask("/set_target")
    assert (status, answer["success"], answer["id"]) == (200, True, "a")
    status, answer = ask("/set_target", box=[900, 900, 9, 9])
    assert (status, answer["success"]) == (409, False)
    assert "outside the 320x240 image" in answer["message"]
    for wrong in ({"box": [1, 2, 3]}, {"box": "abc"}, {"header": {}}, {"header": {"stamp": 7}}):
        assert ask("/set_target", **wrong)[0] == 400, wrong
    far = {"stamp": {"sec": 10**12, "nanosec": 0}, "frame_id": ""}
    assert ask("/set_target", header=far)[0] in (400, 409)  # some ROS versions check the range of the stamp
    assert ask("/remove_target", id="b")[0] == 409
    status, answer = ask("/remove_target", id="a")
    assert (status, answer["remaining"]) == (200, [])


def test_other_pages_can_do_nothing(robot: Robot) -> None:
    page = Http(robot.start_page())
    other_port = {"Origin": page.own["Origin"].rpartition(":")[0] + ":1"}
    for headers in ({}, {"Origin": EVIL}, {"Origin": "null"}, other_port):
        assert page.request("POST", "/set_target", ASKED, **headers)[0] == 403
        assert page.request("POST", "/remove_target", ASKED, **headers)[0] == 403
        assert page.request("GET", "/live", **UPGRADE, **headers)[0] == 403
    # The name of another site that points to this machine (DNS rebinding).
    rebound = {"Host": "evil.example", "Origin": EVIL}
    status, text, _ = page.request("GET", "/", **rebound)
    assert status == 403
    assert "http://localhost" in text
    assert "?token=" not in text  # there is no token
    assert page.request("POST", "/set_target", ASKED, **rebound)[0] == 403


def test_a_page_gets_a_picture_when_it_asks_for_one(robot: Robot) -> None:
    robot.start_tracker()
    page = Http(robot.start_page())

    async def kinds(socket: aiohttp.ClientWebSocketResponse, seconds: float) -> list[aiohttp.WSMsgType]:
        """Return the types of the messages that arrive within some seconds."""
        found = []
        with suppress(asyncio.TimeoutError):
            end_s = time.monotonic() + seconds
            while True:
                found.append((await socket.receive(max(0.0, end_s - time.monotonic()))).type)
        return found

    async def look() -> None:
        async with aiohttp.ClientSession(headers=page.own) as session:
            sockets = [await session.ws_connect(f"http://{page.host}/live") for _ in range(9)]
            refused = await sockets[8].receive(10.0)
            assert (refused.type, refused.data) == (aiohttp.WSMsgType.CLOSE, 1013)
            assert "8 pages are open already" in str(refused.extra)
            assert set(await kinds(sockets[0], 3.0)) == {aiohttp.WSMsgType.TEXT}
            await sockets[0].send_str("next")
            assert (await kinds(sockets[0], 2.0)).count(aiohttp.WSMsgType.BINARY) == 1

    asyncio.run(look())


def test_the_token(robot: Robot) -> None:
    address = robot.start_page("-r", "__ns:=/nobody", "-p", "address:=0.0.0.0", "-p", "token:=open-sesame")
    assert address.endswith("/?token=open-sesame")
    page = Http(address)
    for path in ("/token", "/token?token=open-sesame", "/live", "/live?token=open-sesam", "/live?token=%ff"):
        status, text, _ = page.request("GET", path, **page.own, **(UPGRADE if "live" in path else {}))
        assert status == 401, path
        assert "?token=" in text
        assert "localhost" not in text  # localhost needs the token as well
    assert page.request("POST", "/set_target?token=open-sesame", ASKED, **page.own)[0] == 401
    assert page.request("POST", "/", ASKED, **page.own)[0] == 401
    right, wrong = {"Authorization": "Bearer open-sesame"}, {"Authorization": "Bearer open-sesamex"}
    assert page.request("GET", "/token", **right)[0] == 204
    assert page.request("GET", "/token", **wrong)[0] == 401
    assert page.request("POST", "/set_target", ASKED, **right, **page.own)[0] == 503
    assert page.request("POST", "/set_target", ASKED, **wrong, **page.own)[0] == 401
    assert page.request("POST", "/set_target", ASKED, **right, Origin=EVIL)[0] == 403


def test_no_cookie_carries_the_token(robot: Robot) -> None:
    """A browser sends cookies to all servers of a host, on any port."""
    address = robot.start_page("-r", "__ns:=/nobody", "-p", "address:=0.0.0.0", "-p", "token:=open-sesame")
    page = Http(address)
    for path in ("/?token=open-sesame", "/", "/page.js", "/token", "/?token=wrong"):
        status, text, headers = page.request("GET", path, Authorization="Bearer open-sesame")
        assert (status // 100, headers["Set-Cookie"]) == (2, None), path
        assert "open-sesame" not in text


def test_new_tokens_are_new() -> None:
    assert token_for("127.0.0.1", "") == ""
    first, second = token_for("0.0.0.0", ""), token_for("0.0.0.0", "")
    assert first != second
    assert min(len(first), len(second)) >= 20
    assert token_for("::1", "open-sesame") == "open-sesame"
    for wrong in ("short", "with space", "with/slash", "ümläutümläut"):
        with pytest.raises(ConfigError, match="token"):
            token_for("127.0.0.1", wrong)


def test_the_printed_address_has_the_token_when_there_is_one() -> None:
    assert url("127.0.0.1", 8088, "") == "http://127.0.0.1:8088/"
    assert url("127.0.0.1", 8088, "open-sesame") == "http://127.0.0.1:8088/?token=open-sesame"
    assert url("::1", 80, "open-sesame") == "http://[::1]:80/?token=open-sesame"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1", "a.localhost"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.168.1.5", "robot", "localhost.evil.example"])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)


def test_a_start_that_cannot_work_says_why(domain_id: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for arguments, reason in (
            ([f"port:={port}"], f"port {port} of 127.0.0.1 is used by another program"),
            (["address:=192.0.2.1"], "cannot listen on 192.0.2.1"),
            (["token:=short"], "token: at least 8 letters"),
            (["max_fps:=0.0"], "max_fps"),
        ):
            ros = [part for argument in arguments for part in ("-p", argument)]
            process = NodeProcess([*installed("web_selector"), "--ros-args", *ros], domain_id)
            assert process.wait() == 1, process.text
            assert reason in process.text
            assert "Traceback" not in process.text


def test_every_parameter_is_documented() -> None:
    docs = Path(__file__).parents[3] / "docs"
    assert "(nodes/web_selector.md)" in (docs / "web_selector.md").read_text(encoding="utf-8")
    text = (docs / "nodes" / "web_selector.md").read_text(encoding="utf-8")
    for item in fields(WebConfig):
        default = re.escape(yaml_value(item.default))
        assert re.search(rf"^\| `{item.name}` \| \w+ \| `{default}` \|", text, re.MULTILINE), item.name
