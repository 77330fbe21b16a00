"""Options: values from mappings and YAML files, ranges, and the inverse way."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from siammaskpp_core.config import (
    Checked,
    ConfigError,
    from_mapping,
    load_yaml,
    option,
    options_of,
    part,
    to_mapping,
)


@dataclass(frozen=True)
class Oven(Checked):
    heat_w: float = option(900.0, "Power", low=100.0, high=3000.0, unit="W")
    mode: str = option("fan", "Kind of heat", choices=("fan", "grill"))
    shelves: tuple[int, ...] = option((1, 3), "Shelves in use", low=1, high=5)
    is_on: bool = option(False, "Heat at once")


@dataclass(frozen=True)
class Kitchen(Checked):
    name: str = option("home", "Name of the kitchen", read_only=True)
    oven: Oven = part(Oven, at_run_time=True)
    lamps: int = option(2, "Number of lamps", low=0, high=9, at_run_time=True)


def test_values_get_the_type_of_their_option():
    oven = from_mapping(Oven, {"heat_w": 1500, "shelves": [2, 4], "is_on": True})
    assert oven == Oven(1500.0, "fan", (2, 4), True)
    assert isinstance(oven.heat_w, float)
    assert from_mapping(Oven, to_mapping(oven)) == oven
    assert to_mapping(oven)["shelves"] == [2, 4]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"power": 5}, r"oven.yaml: unknown key 'power'; known keys are heat_w, mode, shelves, is_on"),
        ({"heat_w": "hot"}, "oven.yaml: heat_w: float is expected, not 'hot'"),
        ({"is_on": 1}, "is_on: bool is expected, not 1"),
        ({"shelves": 2}, "shelves: a list is expected, not 2"),
        ({"shelves": [1, 7]}, r"shelves: 7 is outside \[1, 5\]"),
        ({"heat_w": 5.0}, r"heat_w: 5.0 is outside \[100, 3000\] W"),
        ({"heat_w": float("nan")}, "heat_w: nan is not a finite number"),
        ({"mode": "steam"}, "mode: 'steam' is not one of fan, grill"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(values, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(Oven, values, "oven.yaml")


def test_yaml_files_hold_a_mapping(tmp_path: Path):
    path = tmp_path / "oven.yaml"
    path.write_text("mode: grill\n")
    assert load_yaml(path) == {"mode": "grill"}
    for text, message in [("- 1\n", "a mapping of keys"), ("{", "not valid YAML")]:
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            load_yaml(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path / "none.yaml")


def test_options_of_parts_stand_side_by_side_with_the_others():
    options = options_of(Kitchen)
    assert [item.name for item in options] == ["name", "heat_w", "mode", "shelves", "is_on", "lamps"]
    assert [item.name for item in options if not item.spec.at_run_time] == ["name"]
    assert [item.name for item in options if item.spec.read_only] == ["name"]
    assert not any(item.spec.at_run_time for item in options_of(Oven))


def test_a_composed_configuration_has_a_flat_mapping():
    kitchen = Kitchen(oven=Oven(mode="grill"), lamps=4)
    values = to_mapping(kitchen)
    assert values == {"name": "home", "lamps": 4, **to_mapping(Oven(mode="grill"))}
    assert from_mapping(Kitchen, values) == kitchen
    with pytest.raises(ConfigError, match="unknown key 'oven'; known keys are name, heat_w"):
        from_mapping(Kitchen, {"oven": {}})
    with pytest.raises(ConfigError, match="'steam' is not one of"):
        from_mapping(Kitchen, {"mode": "steam"})


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE_BOMB = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join(['*' + before] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB, "line 2: the alias"),
        (MERGE_BOMB, "line 2: the alias"),
        ("[" * 100_000, "nested too deeply"),
        ("mode: " + "9" * 5000, "not valid YAML"),
        ("mode: 2026-99-99", "not valid YAML"),
        ("mode: '" + "x" * 1_100_000 + "'", "larger than"),
    ],
    ids=["aliases", "merge keys", "depth", "digits", "date", "size"],
)
def test_a_file_that_would_fill_the_memory(content, reason, tmp_path):
    """In a process of its own, whose memory and time are limited, as the old reader took gigabytes."""
    path = tmp_path / "oven.yaml"
    path.write_text(content)
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
        "from pathlib import Path\n"
        "from siammaskpp_core.config import ConfigError, load_yaml\n"
        "try: load_yaml(Path('oven.yaml'))\n"
        "except ConfigError as error: print(error)\n"
    )
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[2]))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert reason in done.stdout, done
    assert len(done.stdout) < 1000


def test_a_message_shows_the_beginning_of_a_long_value():
    for values in ({"heat_w": "x" * 100_000}, {"x" * 100_000: 1}, {"mode": "x" * 100_000}):
        with pytest.raises(ConfigError) as caught:
            from_mapping(Oven, values, "oven.yaml")
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize("values", [["mode"], "mode", None, 7])
def test_something_else_than_a_mapping(values):
    with pytest.raises(ConfigError, match=r"oven\.yaml: a mapping of keys to values is expected"):
        from_mapping(Oven, values, "oven.yaml")


def test_keys_of_several_types_are_unknown():
    with pytest.raises(ConfigError, match="unknown key"):
        from_mapping(Oven, {1: 2, "power": 3}, "oven.yaml")
