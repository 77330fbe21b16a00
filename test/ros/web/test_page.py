"""The web page in a real browser, beside a real node over DDS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browser import chromium, red_box, seen
from ros_harness import GREEN, scene
from web_harness import Robot

pytestmark = [pytest.mark.ros, pytest.mark.slow]

LIGHT = {"viewport": {"width": 1280, "height": 800}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
}


script_errors: list[Any] = []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def robot(browser: Any, domain_id: int) -> Iterator[Robot]:
    with Robot(domain_id) as running:
        running.start_tracker()
        yield running


@pytest.fixture(autouse=True)
def no_script_failed(browser: Any) -> Iterator[None]:
    script_errors.clear()
    yield
    for context in browser.contexts:
        context.close()
    assert not script_errors, [error.stack for error in script_errors]


def go_to_page(browser: Any, address: str, **context: Any) -> Any:
    page = browser.new_context(**(context or LIGHT)).new_page()
    page.on("pageerror", lambda error: script_errors.append(error))
    page.set_default_timeout(20_000)
    page.goto(address)
    return page


def open_page(browser: Any, address: str, **context: Any) -> Any:
    """Open the page and wait until it shows the camera."""
    page = go_to_page(browser, address, **context)
    page.wait_for_selector("#waiting", state="hidden")
    page.wait_for_selector("#camera-view:not(.old)")
    # Only a box on an image that the tracker has received can be selected.
    page.get_by_label("Camera picture: no target").wait_for()
    page.wait_for_selector("#problem", state="hidden")  # it would move the picture
    return page


def drag(page: Any, left: float, top: float, right: float, bottom: float) -> None:
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move((left + right) / 2, (top + bottom) / 2)
    page.mouse.move(right, bottom)
    page.mouse.up()


def drag_with_a_finger(page: Any, left: float, top: float, right: float, bottom: float) -> None:
    """Drag from the bottom right: boxes may be drawn in any direction."""
    session = page.context.new_cdp_session(page)
    steps = [("touchStart", (right, bottom)), ("touchMove", (left + 9, top + 9)), ("touchMove", (left, top))]
    for kind, (x, y) in steps:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize(("context", "draw"), [(LIGHT, drag), (PHONE, drag_with_a_finger)])
def test_draw_see_remove(robot: Robot, browser: Any, context: dict[str, Any], draw: Any) -> None:
    page = open_page(browser, robot.start_page(), **context)
    picture = page.locator("#picture")
    page.fill("#label", "<b>red</b> thing")
    with page.expect_request("**/set_target") as request:
        draw(page, *red_box(picture))
    asked = request.value.post_data_json
    assert asked["box"] == pytest.approx([100, 50, 40, 30], abs=1.5)  # where scene() puts it
    assert asked["header"]["frame_id"] == "camera_optical_frame"

    item = page.locator("#targets li")
    item.wait_for()
    assert item.locator(".name").inner_text().startswith("<b>red</b> thing")
    assert item.locator(".state").inner_text() == "tracking"
    page.locator("#state").filter(has_text="tracking").wait_for()
    assert page.get_by_label("Camera picture: <b>red</b> thing tracking").count() == 1
    # The first colour is green: a tinted inside and an outline around it.
    edge = picture.bounding_box()
    scale = edge["width"] / 320
    shown = seen(picture).astype(int)
    blue, green, red = shown[round(65 * scale), round(120 * scale)]
    assert 70 < green < 150
    assert red > blue + 50
    assert (shown[round(50 * scale) - 3 : round(50 * scale) + 3, round(120 * scale)].max(axis=0)[1]) > 200

    page.get_by_role("button", name="Remove <b>red</b> thing").click()
    item.wait_for(state="detached")
    robot.places_become()


def test_tap_rename_remove_undo_on_a_phone(robot: Robot, browser: Any) -> None:
    page = open_page(browser, robot.start_page(), **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    left, top, right, bottom = red_box(page.locator("#picture"))
    page.touchscreen.tap((left + right) / 2, (top + bottom) / 2)
    name = page.locator("#targets li .name")
    name.filter(has_text="object1").wait_for()
    robot.places_become(("object1", 100))

    page.get_by_role("button", name="Rename object1").tap()
    page.keyboard.type("red thing")
    page.keyboard.press("Enter")
    name.filter(has_text="red thing").wait_for()
    page.get_by_role("button", name="Remove red thing").tap()
    robot.places_become()
    page.get_by_role("button", name="Undo").tap()
    robot.places_become(("object1", 100))
    name.filter(has_text="red thing").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_picture_stands_still_while_a_box_is_drawn(robot: Robot, browser: Any) -> None:
    page = open_page(browser, robot.start_page())
    picture = page.locator("#picture")
    left, top, right, bottom = red_box(picture)
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(right, bottom)
    robot.camera.picture = scene(x=250, y=180)
    robot.client.objects.clear()
    robot.client.until(lambda: len(robot.client.objects) > 2, "the node has newer images")
    assert red_box(picture) == pytest.approx((left, top, right, bottom), abs=3)  # the white line is around it
    page.keyboard.press("Escape")
    page.mouse.up()
    while red_box(picture)[0] < right:
        page.wait_for_timeout(50)
    assert page.locator("#targets li").count() == 0


def test_the_box_belongs_to_the_picture_on_the_screen(robot: Robot, browser: Any) -> None:
    page = open_page(browser, robot.start_page())

    def move_on(route: Any) -> None:
        """Move the object before the request arrives: newer images are dark at (100, 50)."""
        robot.camera.picture = scene(x=250, y=180)
        robot.client.objects.clear()
        robot.client.until(lambda: len(robot.client.objects) > 2, "the node has newer images")
        route.continue_()

    page.route("**/set_target", move_on)
    drag(page, *red_box(page.locator("#picture")))
    page.locator("#targets li").wait_for()
    robot.places_become(("object1", 250))  # where the red object of the older image is


def test_a_refusal_is_shown_in_the_nodes_words(robot: Robot, browser: Any) -> None:
    picture = scene()
    picture[150:190, 200:260] = GREEN
    robot.camera.picture = picture
    assert robot.client.set_parameters(max_targets=1).successful
    page = open_page(browser, robot.start_page())
    box = red_box(page.locator("#picture"))
    drag(page, *box)
    page.locator("#targets li").wait_for()
    drag(page, *box)
    refusal = page.get_by_role("alert").filter(has_text="max_targets is 1; remove one of object1")
    refusal.wait_for()
    assert page.locator("#targets li").count() == 1

    page.get_by_role("button", name="Draw object1 again").click()
    edge = page.locator("#picture").bounding_box()
    scale = edge["width"] / 320
    x, y = edge["x"], edge["y"]
    drag(page, x + 205 * scale, y + 155 * scale, x + 255 * scale, y + 185 * scale)
    robot.places_become(("object1", 200))
    assert refusal.count() == 0


def test_what_is_missing_is_named(robot: Robot, browser: Any) -> None:
    page = open_page(browser, robot.start_page())
    problem = page.locator("#problem")
    problem.wait_for(state="hidden")
    robot.camera.stop()
    problem.filter(has_text="no image on /image: it has 1 publisher(s)").wait_for()
    robot.processes[0].interrupt()
    problem.filter(has_text="/tracker_node is not there").wait_for()
    robot.processes[1].interrupt()
    problem.filter(has_text="No connection to the robot").wait_for()


def test_a_camera_that_begins_late_is_bright_at_once(robot: Robot, browser: Any) -> None:
    """Old pictures are dimmed; the first picture of a camera must not be."""
    robot.camera.stop()
    page = go_to_page(browser, robot.start_page())
    page.locator("#camera-view.old").wait_for()
    page.evaluate(
        """() => {
            const view = document.getElementById("camera-view");
            window.firstIsOld = new Promise((resolve) => {
                const shown = () => resolve(view.classList.contains("old"));
                new MutationObserver(shown).observe(document.getElementById("waiting"), { attributes: true });
            });
        }"""
    )
    robot.start_camera()
    page.wait_for_selector("#waiting", state="hidden")
    assert page.evaluate("() => window.firstIsOld") is False


def test_pictures_are_taken_only_while_somebody_looks(robot: Robot, browser: Any) -> None:
    address = robot.start_page()

    def readers() -> int:
        return int(robot.client.node.count_subscribers("/image"))

    robot.client.spin(1.0)
    assert readers() == 1  # the tracker
    page = open_page(browser, address)
    robot.client.until(lambda: readers() == 2, "the page's camera is there")
    page.close()
    robot.client.until(lambda: readers() == 1, "it is gone")


def test_a_compressed_camera_behind_other_names(browser: Any, domain_id: int) -> None:
    with Robot(domain_id) as robot:
        robot.start_tracker("/robot1", is_compressed=True)
        names = ("-r", "image/compressed:=/robot1/image/compressed", "-p", "tracker:=/robot1/tracker_node")
        page = open_page(browser, robot.start_page("-p", "compressed:=true", *names))
        assert "/robot1/tracker_node" in page.locator("h1").inner_text()
        drag(page, *red_box(page.locator("#picture")))
        page.locator("#targets li").wait_for()


def test_other_machines_need_the_token(robot: Robot, browser: Any) -> None:
    address = robot.start_page("-p", "address:=0.0.0.0")
    page = open_page(browser, address)
    assert "token" not in page.url
    page.reload()  # with the token in the storage of the page
    page.wait_for_selector("#waiting", state="hidden")
    drag(page, *red_box(page.locator("#picture")))
    page.locator("#targets li").wait_for()
    assert page.context.cookies() == []
    stranger = browser.new_context().new_page()
    stranger.goto(address.partition("?")[0])
    stranger.get_by_text("?token=").wait_for()
    assert stranger.locator("canvas").count() == 0
