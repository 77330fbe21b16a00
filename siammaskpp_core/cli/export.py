"""The subcommand `export`: turn a training checkpoint into a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.cli.arguments import Commands
from siammaskpp_core.errors import extra


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    export = commands.add_parser(
        "export",
        help="turn a training checkpoint into a model folder (needs the extra [train])",
        description="Write a model folder for --model, with the ONNX files and model.yaml, and check that "
        "the installed engines compute the same as torch.",
    )
    export.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        metavar="CHECKPOINT",
        help="checkpoint of `siammaskpp train`, or weights.pt of a model folder; several are averaged",
    )
    export.add_argument("--output", required=True, type=Path, metavar="DIR", help="model folder to write")


def run(options: argparse.Namespace) -> None:
    """Export the checkpoints."""
    with extra("train", "for exporting"):
        from siammaskpp_core.engines.export.onnx import export
    export(options.checkpoints, options.output)
