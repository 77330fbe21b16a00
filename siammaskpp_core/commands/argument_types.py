"""What arguments of the command line may look like; ArgumentTypeError says what is expected."""

from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation

from siammaskpp_core.config import ConfigError
from siammaskpp_core.engine_options import EngineOptions


def box(text: str) -> list[float]:
    """`X,Y,W,H` as four numbers."""
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"four numbers X,Y,W,H are expected, not {text!r}")
    return values


def names(text: str) -> list[str]:
    """`A,B` as lower-case names, each once."""
    return list(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))


def size(text: str) -> tuple[int, int]:
    """`WIDTHxHEIGHT` of at least 64x64."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) >= 64 and int(height) >= 64):
        raise argparse.ArgumentTypeError(f"WIDTHxHEIGHT of at least 64x64 is expected, not {text!r}")
    return int(width), int(height)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 is expected, not {text!r}")
    return int(text)


def sizes(text: str) -> list[tuple[int, int]]:
    """`WIDTHxHEIGHT,..`, see :func:`size`."""
    return [size(word) for word in text.split(",")]


def positives(text: str) -> list[int]:
    """`N,..`, see :func:`positive`."""
    return [positive(word) for word in text.split(",")]


def engines(text: str) -> list[EngineOptions]:
    """`NAME` or `NAME:PRECISION`, several with commas between, each once."""
    pairs = (word.partition(":") for word in names(text))
    try:
        return [EngineOptions(name, precision or "fp32") for name, _, precision in pairs]
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def seconds(text: str) -> Decimal:
    """Seconds with up to nine digits behind the point, none of which is lost."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise argparse.ArgumentTypeError(f"seconds such as 1700000000.123456789 are expected, not {text!r}")
    return value
