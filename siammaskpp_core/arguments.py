"""Command-line arguments: those that come from a configuration, and the types of other arguments."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from siammaskpp_core.config import Config, ConfigError, OptionSpec, spec_of, to_mapping


def add_options(command: argparse.ArgumentParser, cls: type[Any], *names: str) -> None:
    """Add an argument `--NAME` for every option of the configuration `cls`, or only for `names`."""
    for item in fields(cls):
        if names and item.name not in names:
            continue
        spec, flag = spec_of(item), _flag(item.name)
        if isinstance(item.default, bool):
            command.add_argument(flag, action="store_true", help=_help(spec))
            continue
        command.add_argument(
            flag,
            type=_reader(item),
            default=item.default,
            help=f"{_help(spec)} (default {item.default})",
            metavar="|".join(spec.choices) or type(item.default).__name__.upper(),
        )


def options_from(cls: type[Config], arguments: argparse.Namespace) -> Config:
    """Return the configuration `cls` with the values of the arguments that :func:`add_options` added."""
    return cls(**{item.name: getattr(arguments, item.name) for item in fields(cls)})  # type: ignore[arg-type]


def words_of(config: Any) -> list[str]:
    """Return the command line from which :func:`options_from` makes `config`."""
    words = []
    for name, value in to_mapping(config).items():
        if value is True:
            words.append(_flag(name))
        elif value is not False:
            words += [_flag(name), str(value)]
    return words


def _help(spec: OptionSpec) -> str:
    """Return the help line in argparse's style, which begins with a small letter."""
    return spec.help[:1].lower() + spec.help[1:]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _reader(item: Field[Any]) -> Callable[[str], Any]:
    """Return the function by which argparse reads and checks a value of an option."""
    kind: type[Any] = type(item.default)

    def read(text: str) -> Any:
        value = kind(text)
        try:
            spec_of(item).check(item.name, value)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return value

    read.__name__ = kind.__name__  # argparse shows this name when the conversion fails
    return read


def with_negative_values(words: Sequence[str]) -> list[str]:
    """Return a command line in which a value such as -5,10,20,20 is joined to its argument (--box=-5,...).

    argparse takes a word that begins with a minus, and is not one number, for an argument of its own.
    """
    joined: list[str] = []
    for word in words:
        if re.match(r"-\.?\d", word) and joined and re.fullmatch(r"--[\w-]+", joined[-1]):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def box(text: str) -> list[float]:
    """Return the four numbers in `X,Y,W,H`."""
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"four numbers X,Y,W,H are expected, not {text!r}")
    return values


def labelled_box(text: str) -> tuple[str, list[float]]:
    """Return the label, which may be missing, and the four numbers in `LABEL=X,Y,W,H`."""
    label, numbers = _split_label(text)
    return label, box(numbers)


def labelled_point(text: str) -> tuple[str, list[float]]:
    """Return the label, which may be missing, and the two numbers in `LABEL=X,Y`."""
    label, numbers = _split_label(text)
    try:
        values = [float(word) for word in numbers.split(",")]
    except ValueError:
        values = []
    if len(values) != 2:
        raise argparse.ArgumentTypeError(f"two numbers X,Y are expected, not {text!r}")
    return label, values


def labels(text: str) -> tuple[str, ...]:
    """Return the labels in `A,B,...`, each once."""
    return tuple(dict.fromkeys(label.strip() for label in text.split(",") if label.strip()))


MAX_LABEL = 64
"""Most characters of a label or an id; the node has the same limit."""


def _split_label(text: str) -> tuple[str, str]:
    label, equals, numbers = text.rpartition("=")
    if equals and not label:
        raise argparse.ArgumentTypeError(f"the label before = is missing in {text!r}")
    if len(label) > MAX_LABEL or not label.isprintable():
        raise argparse.ArgumentTypeError(f"a label has at most {MAX_LABEL} printable characters")
    return label, numbers


def moment(text: str) -> tuple[int | None, int | None]:
    """Return a point in a recording as the number of a frame or a time in ns; the other one is None.

    A whole number is a frame; 12.5s, 90s, 1:30 and 0:01:30.5 are times.
    """
    if text.isdecimal():
        return int(text), None
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)(s?)", text)
    if match is None or not (match[2] or match[4]):
        raise argparse.ArgumentTypeError(
            f"a frame such as 120 or a time such as 12.5s or 1:30 is expected, not {text!r}"
        )
    hours, minutes, rest, _ = match.groups()
    time_s = int(hours or 0) * 3600 + int(minutes or 0) * 60 + Decimal(rest)
    return None, int(time_s * 1_000_000_000)


def names(text: str) -> list[str]:
    """Return the names in `A,B,...` in lower case, each once."""
    return list(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))


def size(text: str) -> tuple[int, int]:
    """Return the width and height in `WIDTHxHEIGHT`, each of at least 64 pixels."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) >= 64 and int(height) >= 64):
        raise argparse.ArgumentTypeError(f"WIDTHxHEIGHT of at least 64x64 is expected, not {text!r}")
    return int(width), int(height)


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 is expected, not {text!r}")
    return int(text)


def port(text: str) -> int:
    """Return the number of a port, 0 to 65535."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is not between 0 and 65535")
    return number


def sizes(text: str) -> list[tuple[int, int]]:
    """Return the sizes in `WIDTHxHEIGHT,...`; see :func:`size`."""
    return [size(word) for word in text.split(",")]


def positives(text: str) -> list[int]:
    """Return the numbers in `N,...`; see :func:`positive`."""
    return [positive(word) for word in text.split(",")]


def seconds(text: str) -> Decimal:
    """Return a time in seconds as a Decimal, which keeps the nine decimals of a stamp."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise argparse.ArgumentTypeError(f"seconds such as 1700000000.123456789 are expected, not {text!r}")
    return value
