"""The page of a recording: its commands, and the page itself in a real browser."""

from __future__ import annotations

import asyncio
import threading
from queue import Queue
from typing import Any

import pytest
from browser import chromium, red_box
from squares import RED_BOX, tracker
from watched import COUNT, player

pytest.importorskip("aiohttp")

from siammaskpp_core.interactive import serve
from siammaskpp_core.interactive.page import PageSource
from siammaskpp_core.interactive.run import Watched
from siammaskpp_core.web import access

RED = {"header": {"frame": 0}, "box": list(RED_BOX), "id": "", "label": "cup"}


async def send(source: PageSource, name: str, body: dict[str, Any]) -> tuple[bool, str, dict[str, Any]]:
    command = source.commands[name]
    answer = await command.run(command.parse(body))
    return answer.success, answer.message, dict(answer.more)


def test_the_commands_of_the_page() -> None:
    async def run() -> None:
        source = PageSource(player(), "squares.mp4", "none", COUNT - 1, lambda: "6 frames in a.csv")
        status = source.status()
        assert (status["state"], status["video"]["can_save"], status["video"]["last"]) == ("PAUSED", False, 5)
        assert await send(source, "set_target", RED) == (True, "cup is set", {"id": "cup"})
        tap = {**RED, "box": [220, 140, 0, 0], "label": ""}
        assert await send(source, "set_target", tap) == (True, "target is set", {"id": "target"})
        outside = {**RED, "box": [900, 900, 0, 0]}
        success, message, _ = await send(source, "set_target", outside)
        assert not success
        assert "outside" in message
        for frame in range(1, COUNT + 1):
            await send(source, "go_to", {"frame": frame})
        assert source.status()["state"] == "ENDED"
        assert source.status()["video"]["tracked_to"] == COUNT - 1
        assert (await send(source, "rename", {"id": "cup", "label": "mug"}))[0]
        assert (await send(source, "remove_target", {"id": "target"}))[2] == {"remaining": ["cup"]}
        assert not (await send(source, "remove_target", {"id": "target"}))[0]
        assert (await send(source, "undo", {}))[0]
        assert [(each.id, each.label) for each in source.newest()] == [("cup", "mug"), ("target", "")]
        assert len(source.encode(source.newest())) > 1000
        assert await send(source, "save", {}) == (True, "Saved: 6 frames in a.csv", {})
        assert not (await send(source, "save", {}))[0]
        assert not source.status()["video"]["can_save"]

    asyncio.run(run())


@pytest.mark.slow
def test_draw_play_and_save_in_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = player()
    thread = threading.Thread(target=watched.run, daemon=True)
    saved: list[int] = []

    def save() -> str:
        saved.append(watched.write([]))
        return f"{saved[0]} frames"

    view = Watched(watched, "squares.mp4", tracker().engine_name, COUNT - 1, save, lambda: False)
    addresses: Queue[str] = Queue()

    def url(*where: Any) -> str:
        addresses.put(access.url(*where))
        return access.url(*where)

    monkeypatch.setattr(serve, "url", url)
    server = threading.Thread(target=lambda: serve.BrowserView(port=0)(view), daemon=True)
    with chromium() as browser:
        thread.start()
        server.start()
        address = addresses.get(timeout=20.0)
        page = browser.new_page(viewport={"width": 900, "height": 700})
        errors: list[Any] = []
        page.on("pageerror", lambda error: errors.append(error))
        page.goto(address)
        page.wait_for_selector("#waiting", state="hidden")
        left, top, right, bottom = red_box(page.locator("#picture"))
        page.fill("#label", "cup")
        page.mouse.move(left, top)
        page.mouse.down()
        page.mouse.move(right, bottom)
        page.mouse.up()
        page.locator("#targets li").filter(has_text="cup").wait_for()
        page.get_by_role("button", name="Play").click()
        page.locator("#state").filter(has_text="end of the video").wait_for()
        page.keyboard.press("Home")
        page.locator("#frame").filter(has_text=f"0 / {COUNT - 1}").wait_for()
        page.keyboard.press("s")
        page.locator("#message-line").filter(has_text=f"Saved: {COUNT} frames. You can close").wait_for()
        server.join(5.0)
        assert not server.is_alive()
        page.wait_for_timeout(300)
        assert page.locator("#problem").is_hidden()  # the end of the program is no lost connection
        assert errors == []
    watched.close()
    assert saved == [COUNT]
