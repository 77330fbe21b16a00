"""Timers and throttled log lines go on while the system time is set back or simulated time stands still."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import siammaskpp_ros
from siammaskpp_ros.common.steady_clock import RepeatFilter

FOLDER = Path(siammaskpp_ros.__file__).parent
CLOCK_ARGUMENTS = {"create_timer": "clock", "throttle_duration_sec": "throttle_time_source_type"}


def calls() -> list[tuple[str, ast.Call]]:
    return [
        (f"{path.relative_to(FOLDER)}:{node.lineno}", node)
        for path in sorted(FOLDER.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def test_every_timer_and_every_throttled_line_uses_the_steady_clock() -> None:
    found, wrong = 0, []
    for where, call in calls():
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        for key, argument in CLOCK_ARGUMENTS.items():
            if name == key or key in given:
                found += 1
                if given.get(argument) != "STEADY_CLOCK":
                    wrong.append(where)
    assert found >= 7
    assert not wrong


def test_a_text_is_logged_again_when_it_changes_or_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("siammaskpp_ros.common.steady_clock.time.monotonic", lambda: now_s)
    repeats = RepeatFilter(period_s=5.0)
    assert [repeats.is_due(text) for text in ("a", "a", "b", "a", "a")] == [True, False, True, True, False]
    now_s += 5.0
    assert repeats.is_due("a")
