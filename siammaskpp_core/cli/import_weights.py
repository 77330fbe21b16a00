"""The subcommand `import-weights`: turn a published checkpoint into a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.cli.arguments import Commands
from siammaskpp_core.errors import extra


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    published = commands.add_parser(
        "import-weights",
        help="turn a published checkpoint into a model folder (needs the extra [train])",
        description="Convert a published checkpoint of a network of the SiamMask family. Only tensors are "
        "read from the file, so that it cannot run code. Every name in it must be known, and none may be "
        "missing.",
    )
    published.add_argument("file", type=Path, metavar="FILE", help="published checkpoint (.pth, .pt, .tar)")
    published.add_argument(
        "--as",
        dest="layout",
        required=True,
        choices=("siammaskpp-authors", "siammask", "pysot-siammask", "pysot-siamrpn", "torchvision-resnet50"),
        help="project that published the checkpoint",
    )
    published.add_argument("--output", required=True, type=Path, metavar="DIR", help="model folder to write")


def run(options: argparse.Namespace) -> None:
    """Convert the checkpoint and write the model folder."""
    with extra("train", "to import weights"):
        from siammaskpp_core.engines.export.onnx import save_model
        from siammaskpp_core.training.reference_weights import TORCHVISION, import_weights
    model, tracking = import_weights(options.file, options.layout)
    save_model(model, tracking, options.output)
    if options.layout == TORCHVISION:
        print("only the backbone is trained: start `siammaskpp train` from it, but do not track with it")
