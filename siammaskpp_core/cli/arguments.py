"""Arguments that several subcommands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from siammaskpp_core.arguments import add_options, names
from siammaskpp_core.config import ConfigError
from siammaskpp_core.engines.options import EngineOptions

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""The collection to which a subcommand adds its parser."""


_MODEL_HELP = "model folder (default: the model of the package)"


def add_model(command: argparse.ArgumentParser) -> None:
    """Add `--model` and the options of the engine that runs it."""
    command.add_argument("--model", type=Path, metavar="DIR", help=_MODEL_HELP)
    add_options(command, EngineOptions)


def add_model_folder(command: argparse.ArgumentParser) -> None:
    """Add the model folder that a command turns into something else, as an argument without a flag."""
    command.add_argument("model", type=Path, nargs="?", metavar="MODEL", help=_MODEL_HELP)


def add_rotated_box(command: argparse.ArgumentParser, condition: str = "") -> None:
    """Add `--rotated-box`; its help begins with `condition`."""
    command.add_argument(
        "--rotated-box",
        choices=("min_area", "ellipse"),
        help=f"{condition}kind of rotated box around a mask: the rectangle of least area, or the one of "
        "SiamMask_E that follows an ellipse (default: the kind that the model names)",
    )


def engines(text: str) -> list[EngineOptions]:
    """Return the engines in `NAME,NAME:PRECISION,...`, each once."""
    pairs = (word.partition(":") for word in names(text))
    try:
        return [EngineOptions(name, precision or "fp32") for name, _, precision in pairs]
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
