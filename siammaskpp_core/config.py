"""Options with default, range and help in one place.

Every configuration is a frozen dataclass whose fields are made by :func:`option`. YAML files, command-line
help, ROS parameter descriptors and the tables in docs/ come from these fields, so that a new option is one
line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from siammaskpp_core.errors import UserError

Config = TypeVar("Config")


class ConfigError(UserError):
    """A configuration that cannot be used; the message names the option, the reason and what is allowed."""


@dataclass(frozen=True)
class OptionSpec:
    """The help line of an option and the values that it takes: numbers from `low` to `high`, or `choices`."""

    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""

    def check(self, name: str, value: Any) -> None:
        """Raise :class:`ConfigError` when the option does not take `value`, or an item of a tuple."""
        for item in value if isinstance(value, tuple) else (value,):
            if self.choices and item not in self.choices:
                raise ConfigError(f"{name}: {item!r} is not one of {', '.join(self.choices)}")
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
) -> Any:
    """Return a dataclass field with a default and an :class:`OptionSpec`."""
    return field(default=default, metadata={"option": OptionSpec(help, low, high, choices, unit)})


def spec_of(item: Field[Any]) -> OptionSpec:
    """Return the :class:`OptionSpec` of a field that :func:`option` made."""
    spec = item.metadata["option"]
    assert isinstance(spec, OptionSpec)
    return spec


def from_mapping(cls: type[Config], values: Mapping[str, Any], source: str = "configuration") -> Config:
    """Return the configuration `cls` with `values`; an int becomes a float and a list a tuple where needed.

    Raises :class:`ConfigError` for unknown keys, wrong types and values out of range. Its message begins with
    `source`.
    """
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(
            f"{source}: unknown key {', '.join(map(repr, unknown))}; known keys are {', '.join(known)}"
        )
    converted = {name: _convert(known[name], value, source) for name, value in values.items()}
    return cls(**converted)


def load_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises :class:`ConfigError` when the file is missing, is not valid YAML or holds something else.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a mapping of keys to values is expected")
    return values


def to_mapping(config: Any) -> dict[str, Any]:
    """Return a configuration as a mapping that YAML can hold; the inverse of :func:`from_mapping`."""
    values = {item.name: getattr(config, item.name) for item in fields(config)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


class Checked:
    """Base class of every configuration. It checks all values when an instance is made."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            spec_of(item).check(item.name, getattr(self, item.name))


def _convert(item: Field[Any], value: Any, source: str) -> Any:
    """Return `value` as the type of the field's default; only lossless conversions are made."""
    default = item.default
    assert default is not MISSING, f"{item.name} has no default"
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{source}: {item.name}: a list is expected, not {value!r}")
        kind = type(default[0])
        return tuple(_convert_scalar(item.name, kind, entry, source) for entry in value)
    return _convert_scalar(item.name, type(default), value, source)


def _convert_scalar(name: str, kind: type, value: Any, source: str) -> Any:
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    raise ConfigError(f"{source}: {name}: a {kind.__name__} is expected, not {value!r}")
