"""Command-line arguments made from a configuration: one for each of its options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

from siammaskpp_core.config import Config, OptionSpec, spec_of, to_mapping


def add_options(command: argparse.ArgumentParser, cls: type[Any], *names: str) -> None:
    """Add `--NAME` for the options `names` of `cls`, all of them when none is named."""
    for item in fields(cls):
        if names and item.name not in names:
            continue
        spec, flag = spec_of(item), _flag(item.name)
        if isinstance(item.default, bool):
            command.add_argument(flag, action="store_true", help=_sentence(spec))
            continue
        command.add_argument(
            flag,
            type=_reader(item),
            default=item.default,
            help=f"{_sentence(spec)} (default {item.default})",
            metavar="|".join(spec.choices) or type(item.default).__name__.upper(),
        )


def options_from(cls: type[Config], arguments: argparse.Namespace) -> Config:
    """The configuration that was given by the arguments of :func:`add_options`."""
    return cls(**{item.name: getattr(arguments, item.name) for item in fields(cls)})  # type: ignore[arg-type]


def words_of(config: Any) -> list[str]:
    """The command line from which :func:`options_from` makes `config`."""
    words = []
    for name, value in to_mapping(config).items():
        if value is True:
            words.append(_flag(name))
        elif value is not False:
            words += [_flag(name), str(value)]
    return words


def _sentence(spec: OptionSpec) -> str:
    return spec.help[:1].lower() + spec.help[1:]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _reader(item: Field[Any]) -> Callable[[str], Any]:
    kind: type[Any] = type(item.default)

    def read(text: str) -> Any:
        value = kind(text)
        try:
            spec_of(item).check(item.name, value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return value

    read.__name__ = kind.__name__  # argparse names it when `text` is something else
    return read
