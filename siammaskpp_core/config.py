"""Options with default, range and help in one place.

Every configuration is a frozen dataclass whose fields are made by :func:`option`. YAML files, command-line
help, ROS parameter descriptors and the tables in docs/ come from these fields, so that a new option is one
line. A large configuration is composed of others (:func:`part`); in a file and as ROS parameters all of its
options stand side by side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml

from siammaskpp_core.errors import UserError

Config = TypeVar("Config")

_MAX_YAML_BYTES = 1_000_000
_SHOWN = 80  # characters of a value in a message
_MAX_UNKNOWN = 10


class ConfigError(UserError):
    """A configuration that cannot be used; the message names the option, the reason and what is allowed."""


@dataclass(frozen=True)
class OptionSpec:
    """The help line of an option and the values that it takes: numbers from `low` to `high`, or `choices`.

    `at_run_time` and `read_only` are about ROS parameters: a running node takes a new value of the first kind
    and never a new value of the second.
    """

    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    at_run_time: bool = False
    read_only: bool = False

    def check(self, name: str, value: Any) -> None:
        """Raise :class:`ConfigError` when the option does not take `value`, or an item of a tuple."""
        for item in value if isinstance(value, tuple) else (value,):
            if self.choices and item not in self.choices:
                raise ConfigError(f"{name}: {shown(item)} is not one of {', '.join(self.choices)}")
            if isinstance(item, float) and not math.isfinite(item):
                raise ConfigError(f"{name}: {item} is not a finite number")
            if (self.low is not None and item < self.low) or (self.high is not None and item > self.high):
                raise ConfigError(f"{name}: {item} is outside {self.range_text()}")

    def range_text(self) -> str:
        """Return the range with its unit, such as ``[0, 1] s``."""
        low = "-inf" if self.low is None else f"{self.low:g}"
        high = "inf" if self.high is None else f"{self.high:g}"
        return f"[{low}, {high}]" + (f" {self.unit}" if self.unit else "")


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    unit: str = "",
    at_run_time: bool = False,
    read_only: bool = False,
) -> Any:
    """Return a dataclass field with a default and an :class:`OptionSpec`."""
    spec = OptionSpec(help, low, high, choices, unit, at_run_time, read_only)
    return field(default=default, metadata={"option": spec})


def part(cls: type[Any], *, at_run_time: bool = False) -> Any:
    """Return a dataclass field that holds another configuration, whose options `at_run_time` may mark."""
    return field(default_factory=cls, metadata={"part": cls, "at_run_time": at_run_time})


def spec_of(item: Field[Any]) -> OptionSpec:
    """Return the :class:`OptionSpec` of a field that :func:`option` made."""
    spec = item.metadata["option"]
    assert isinstance(spec, OptionSpec)
    return spec


class Option(NamedTuple):
    """One option of a configuration."""

    name: str
    default: Any
    spec: OptionSpec


def options_of(cls: type[Any]) -> list[Option]:
    """Return the options of the configuration `cls` and of its parts, in the order of their declaration."""
    options: list[Option] = []
    for item in fields(cls):
        inner = item.metadata.get("part")
        if inner is None:
            options.append(Option(item.name, item.default, spec_of(item)))
            continue
        for one in options_of(inner):
            at_run_time = one.spec.at_run_time or item.metadata["at_run_time"]
            options.append(one._replace(spec=replace(one.spec, at_run_time=at_run_time)))
    return options


def from_mapping(cls: type[Config], values: Mapping[str, Any], source: str = "configuration") -> Config:
    """Return the configuration `cls` with `values`; an int becomes a float and a list a tuple where needed.

    Raises :class:`ConfigError` for unknown keys, wrong types and values out of range. Its message begins with
    `source`.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{source}: a mapping of keys to values is expected, not {shown(values)}")
    known = {item.name: item for item in options_of(cls)}
    unknown = sorted(shown(key) for key in set(values) - set(known))
    if unknown:
        raise ConfigError(
            f"{source}: unknown key {', '.join(unknown[:_MAX_UNKNOWN])}; known keys are {', '.join(known)}"
        )
    converted = {name: _convert(known[name], value, source) for name, value in values.items()}
    return _build(cls, converted)


def load_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    The file may come from a stranger: its values take no more memory than a file of 1 MB can hold. Raises
    :class:`ConfigError` when the file is missing, is larger, is not valid YAML, has aliases or holds
    something else than a mapping.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_YAML_BYTES + 1)
        if len(content) > _MAX_YAML_BYTES:
            raise ConfigError(f"{path}: larger than {_MAX_YAML_BYTES} bytes: not a file of options")
        values = yaml.load(content.decode("utf-8-sig"), _Loader)  # a SafeLoader
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply: not a file of options") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: bytes, dates and numbers that are none
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a mapping of keys to values is expected")
    return values


def to_mapping(config: Any) -> dict[str, Any]:
    """Return a configuration as a mapping that YAML can hold; the inverse of :func:`from_mapping`."""
    values: dict[str, Any] = {}
    for item in fields(config):
        value = getattr(config, item.name)
        if "part" in item.metadata:
            values |= to_mapping(value)
        else:
            values[item.name] = list(value) if isinstance(value, tuple) else value
    return values


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases: a few lines of them stand for gigabytes ("billion laughs")."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(
                f"line {event.start_mark.line + 1}: the alias *{event.anchor} is not supported; write the "
                "value again in its place"
            )
        return super().compose_node(parent, index)


class Checked:
    """Base class of every configuration. It checks all values when an instance is made."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            if "option" in item.metadata:
                spec_of(item).check(item.name, getattr(self, item.name))


def _build(cls: type[Config], values: Mapping[str, Any]) -> Config:
    arguments: dict[str, Any] = {}
    for item in fields(cls):  # type: ignore[arg-type]
        if "part" in item.metadata:
            arguments[item.name] = _build(item.metadata["part"], values)
        elif item.name in values:
            arguments[item.name] = values[item.name]
    return cls(**arguments)


def _convert(item: Option, value: Any, source: str) -> Any:
    """Return `value` as the type of the field's default; only lossless conversions are made."""
    default = item.default
    assert default is not MISSING, f"{item.name} has no default"
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{source}: {item.name}: a list is expected, not {shown(value)}")
        kind = type(default[0])
        return tuple(_convert_scalar(item.name, kind, entry, source) for entry in value)
    return _convert_scalar(item.name, type(default), value, source)


def _convert_scalar(name: str, kind: type, value: Any, source: str) -> Any:
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    raise ConfigError(f"{source}: {name}: {kind.__name__} is expected, not {shown(value)}")


def shown(value: Any) -> str:
    """Return the beginning of the representation of a value, which may be long, for a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
