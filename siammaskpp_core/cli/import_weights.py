"""`siammaskpp import-weights`."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.cli.arguments import Commands
from siammaskpp_core.errors import extra


def add_arguments(commands: Commands) -> None:
    """Arguments of `import-weights`."""
    published = commands.add_parser(
        "import-weights",
        help="turn a published checkpoint into a model folder (needs the extra [train])",
        description="Convert a checkpoint of a published network of the family. Only tensors are read from "
        "the file: it cannot run code. Every name in it must be known and none may be missing.",
    )
    published.add_argument("file", type=Path, metavar="FILE", help="the checkpoint (.pth, .pt, .tar)")
    published.add_argument(
        "--as",
        dest="layout",
        required=True,
        choices=("siammaskpp-authors", "siammask", "pysot-siammask", "pysot-siamrpn", "torchvision-resnet50"),
        help="where the checkpoint comes from",
    )
    published.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="the model folder to write"
    )


def run(options: argparse.Namespace) -> None:
    """Convert; raises MissingPackageError when the packages for it are not installed."""
    with extra("train", "to import weights"):
        from siammaskpp_core.engines.export.onnx import save_model
        from siammaskpp_core.training.public_weights import TORCHVISION, import_weights
    model, tracking = import_weights(options.file, options.layout)
    save_model(model, tracking, options.output)
    if options.layout == TORCHVISION:
        print("only the backbone is trained: a start for `siammaskpp train`, not a tracker")
