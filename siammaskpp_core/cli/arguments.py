"""Arguments that choose a model and its engine, and of the commands that are about engines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from siammaskpp_core.arguments import add_options, names
from siammaskpp_core.config import ConfigError
from siammaskpp_core.engines.options import EngineOptions

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_model(command: argparse.ArgumentParser) -> None:
    """The model, and the engine that computes it."""
    command.add_argument("--model", type=Path, metavar="DIR", help="model folder (default: the one shipped)")
    add_options(command, EngineOptions)


def engines(text: str) -> list[EngineOptions]:
    """`NAME` or `NAME:PRECISION`, several with commas between, each once."""
    pairs = (word.partition(":") for word in names(text))
    try:
        return [EngineOptions(name, precision or "fp32") for name, _, precision in pairs]
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_rotated_box(command: argparse.ArgumentParser, where: str = "") -> None:
    """The kind of rotated box; `where` begins its help."""
    command.add_argument(
        "--rotated-box",
        choices=("min_area", "ellipse"),
        help=f"{where}around a mask: its smallest rectangle or SiamMask_E's (default: the model's choice)",
    )
