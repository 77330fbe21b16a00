"""The server of the web page, beside a source that has no camera."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

aiohttp = pytest.importorskip("aiohttp")

from siammaskpp_core.web.access import Program
from siammaskpp_core.web.server import WebServer
from siammaskpp_core.web.source import Answer, Command, Unavailable

PROGRAM = Program("viewer", "--{name} {value}", has_token_option=True)


class Drawing:
    """A source whose pictures are numbers."""

    max_fps = 60.0

    def __init__(self, **commands: Any) -> None:
        self.viewers = 0
        self.picture: int | None = None
        self.commands = {name: Command(lambda body: body["n"], run) for name, run in commands.items()}

    def newest(self) -> Any:
        return self.picture

    def encode(self, picture: int) -> bytes:
        return bytes([picture])

    def status(self) -> dict[str, Any]:
        return {"camera": ""}


def test_a_wake_up_during_the_sending_is_not_lost() -> None:
    """The page may request the next picture before the server knows that it has sent the last one."""
    source = Drawing()

    class Page:
        closed = False
        pictures = 0

        async def send_str(self, _: str) -> None:
            pass

        async def send_bytes(self, _: bytes) -> None:
            self.pictures += 1
            self.closed = self.pictures == 3
            requested.set()
            source.picture = self.pictures + 1
            await asyncio.sleep(0)

    async def run() -> None:
        server = WebServer(source, "", PROGRAM)
        await asyncio.wait_for(server._send(page, requested), 5.0)  # type: ignore[arg-type]

    requested = asyncio.Event()
    requested.set()
    page = Page()
    source.picture = 1
    asyncio.run(run())
    assert page.pictures == 3


def test_a_mistake_of_the_server_does_not_freeze_the_page() -> None:
    """A page without its sender would wait for ever; when its connection is closed, it connects again."""
    codes = []

    async def close(code: int, message: bytes) -> None:
        codes.append((code, message))

    def status() -> dict[str, Any]:
        raise RuntimeError("a mistake")

    async def run() -> None:
        source = Drawing()
        source.status = status  # type: ignore[method-assign]
        server = WebServer(source, "", PROGRAM)
        page: Any = SimpleNamespace(closed=False, close=close)
        with pytest.raises(RuntimeError, match="a mistake"):
            await asyncio.wait_for(server._send(page, asyncio.Event()), 5.0)

    asyncio.run(run())
    assert codes == [(aiohttp.WSCloseCode.INTERNAL_ERROR, b"viewer has made a mistake")]


async def double(number: int) -> Answer:
    if number < 0:
        return Answer(False, "negative")
    if number == 0:
        raise Unavailable("nobody is there")
    return Answer(True, "done", {"twice": 2 * number})


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ({"n": 4}, 200, {"success": True, "message": "done", "twice": 8}),
        ({"n": -1}, 409, {"success": False, "message": "negative"}),
        ({"n": 0}, 503, {"success": False, "message": "nobody is there"}),
        ({}, 400, {"success": False, "message": "the request cannot be read: KeyError: 'n'"}),
    ],
)
def test_a_command_has_an_answer(body: dict[str, int], status: int, answer: dict[str, Any]) -> None:
    async def run() -> tuple[int, Any]:
        server = WebServer(Drawing(double=double), "", PROGRAM)
        port = await server.start("127.0.0.1", 0)
        address = f"http://127.0.0.1:{port}"
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{address}/double", json=body, headers={"Origin": address}) as response,
            ):
                return response.status, await response.json()
        finally:
            await server.stop()

    assert asyncio.run(run()) == (status, answer)


def test_the_messages_name_the_program_and_its_options() -> None:
    async def run() -> tuple[int, str]:
        server = WebServer(Drawing(), "secret-token", PROGRAM)
        port = await server.start("127.0.0.1", 0)
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/token") as response,
            ):
                return response.status, await response.text()
        finally:
            await server.stop()

    status, page = asyncio.run(run())
    assert status == 401
    assert "<code>viewer: open http://…</code>" in page
    assert "<code>--token …</code>" in page
