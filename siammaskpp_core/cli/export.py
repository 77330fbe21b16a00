"""`siammaskpp export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.cli.arguments import Commands
from siammaskpp_core.errors import extra


def add_arguments(commands: Commands) -> None:
    """Arguments of `export`."""
    export = commands.add_parser(
        "export",
        help="turn a training checkpoint into a model folder (needs the extra [train])",
        description="Write the ONNX files and the description that --model takes, and check that the "
        "installed engines compute with them what torch does.",
    )
    export.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        metavar="CHECKPOINT",
        help="file that `siammaskpp train` wrote, or weights.pt of a model folder; of several the mean",
    )
    export.add_argument("--output", required=True, type=Path, metavar="DIR", help="the model folder to write")


def run(options: argparse.Namespace) -> None:
    """Export; raises MissingPackageError when the packages for it are not installed."""
    with extra("train", "for exporting"):
        from siammaskpp_core.engines.export.onnx import export
    export(options.checkpoints, options.output)
