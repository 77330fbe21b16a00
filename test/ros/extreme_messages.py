"""Messages whose fields have the extreme values that their types allow."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

_FLOATS = (math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 5e-324, 0.0)
_FLOATS_32 = (math.nan, math.inf, -math.inf, 3.4e38, -3.4e38, 1e-45, 0.0)
_TEXTS = ("", "x" * 5000, "a\nb\t\x1b[31m", "../%s{}", "ünï ☃", "none", "camera_optical_frame")
VARIANTS = len(_FLOATS)


def message_class(name: str) -> Any:
    """Return the class of a type such as sensor_msgs/msg/Image."""
    package, folder, kind = name.split("/")
    return getattr(import_module(f"{package}.{folder}"), kind)


def extreme_messages(kind: Any) -> Iterator[Any]:
    """Yield messages with all fields at an extreme, then messages with one field of the first level there."""
    for variant in range(VARIANTS):
        yield _filled(kind(), variant)
    for field, variant in itertools.product(kind.get_fields_and_field_types(), range(VARIANTS)):
        message = kind()
        setattr(message, field, _value(kind.get_fields_and_field_types()[field], variant))
        yield message


def _filled(message: Any, variant: int) -> Any:
    for number, (field, type_name) in enumerate(message.get_fields_and_field_types().items()):
        setattr(message, field, _value(type_name, (variant + number) % VARIANTS if variant else 0))
    return message


def _value(type_name: str, variant: int) -> Any:
    sequence = re.fullmatch(r"sequence<(.+?)(?:, \d+)?>", type_name)
    if sequence:
        return [_value(sequence[1], variant + index) for index in range((0, 1, 3)[variant % 3])]
    array = re.fullmatch(r"(.+)\[(\d+)\]", type_name)
    if array:
        return [_value(array[1], variant + index) for index in range(int(array[2]))]
    variant %= VARIANTS
    integer = re.fullmatch(r"(u?)int(\d+)", type_name)
    if integer:
        bits = int(integer[2])
        low, high = (0, 2**bits - 1) if integer[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return (low, high, 0, 1, high // 2, min(high, 255), max(low, -1))[variant]
    if type_name == "octet":
        return bytes([(0, 255)[variant % 2]])
    if type_name == "boolean":
        return bool(variant % 2)
    if type_name in ("float", "double"):
        return (_FLOATS_32 if type_name == "float" else _FLOATS)[variant]
    if type_name.startswith(("string", "wstring")):
        return _TEXTS[variant]
    package, name = type_name.split("/")
    return _filled(message_class(f"{package}/msg/{name}")(), variant)
