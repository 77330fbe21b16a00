"""Arguments, and their help, from the options of a configuration."""

import argparse
import re
from dataclasses import dataclass

import pytest

from siammaskpp_core.arguments import (
    add_options,
    labelled_box,
    labelled_point,
    moment,
    options_from,
    words_of,
)
from siammaskpp_core.config import Checked, option
from siammaskpp_core.engines.options import EngineOptions


@dataclass(frozen=True)
class Kettle(Checked):
    kind: str = option("steel", "What it is made of", choices=("steel", "glass"))
    heat_w: float = option(900.0, "Power", low=100.0, high=3000.0, unit="W")
    cups: int = option(4, "How much it holds", low=1, high=9)
    is_on: bool = option(False, "Begin to boil")


def parser(*names: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_options(made, Kettle, *names)
    return made


def test_without_arguments_the_defaults():
    assert options_from(Kettle, parser().parse_args([])) == Kettle()


def test_values_get_the_type_of_their_option():
    words = ["--kind", "glass", "--heat-w", "1500", "--cups", "2", "--is-on"]
    assert options_from(Kettle, parser().parse_args(words)) == Kettle("glass", 1500.0, 2, True)


@pytest.mark.parametrize(
    "config", [Kettle(), Kettle("glass", 250.5, 9, True), EngineOptions("openvino", "bf16", threads=3)]
)
def test_words_and_options_are_inverse(config):
    made = argparse.ArgumentParser()
    add_options(made, type(config))
    assert options_from(type(config), made.parse_args(words_of(config))) == config


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kind", "clay"], "kind: 'clay' is not one of steel, glass"),
        (["--heat-w", "9000"], r"heat_w: 9000.0 is outside \[100, 3000\] W"),
        (["--cups", "two"], "invalid int value: 'two'"),
    ],
)
def test_bad_values_are_refused_with_the_reason(words, message, capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(words)
    assert re.search(message, capsys.readouterr().err)


def test_help_and_default_are_those_of_the_option():
    text = " ".join(parser().format_help().split())
    assert "--heat-w FLOAT power (default 900.0)" in text
    assert "--kind steel|glass what it is made of (default steel)" in text
    assert "--is-on begin to boil" in text


def test_only_the_named_ones():
    assert vars(parser("cups", "is_on").parse_args([])) == {"cups": 4, "is_on": False}


def test_labels_stand_before_boxes_and_points():
    assert labelled_box("1,2,3,4") == ("", [1, 2, 3, 4])
    assert labelled_box("my cup=-1,2,3.5,4") == ("my cup", [-1, 2, 3.5, 4])
    assert labelled_point("a=b=10,20") == ("a=b", [10, 20])
    for read, text, words in (
        (labelled_box, "=1,2,3,4", "the label before = is missing"),
        (labelled_box, "cup=1,2,3", "four numbers"),
        (labelled_box, f"{'x' * 65}=1,2,3,4", "at most 64 printable characters"),
        (labelled_point, "1,2,3", "two numbers X,Y"),
    ):
        with pytest.raises(argparse.ArgumentTypeError, match=words):
            read(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", (120, None)),
        ("0", (0, None)),
        ("12.5s", (None, 12_500_000_000)),
        ("90s", (None, 90_000_000_000)),
        ("1:30", (None, 90_000_000_000)),
        ("0:01:30.000000001", (None, 90_000_000_001)),
    ],
)
def test_moments_are_frames_or_times(text, expected):
    assert moment(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1.5", "soon", "1:", "s", "1:2:3:4"])
def test_other_texts_are_no_moments(text):
    with pytest.raises(argparse.ArgumentTypeError, match="a frame such as 120 or a time"):
        moment(text)
