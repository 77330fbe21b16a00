"""The subcommand `prepare-data`: index a data set for training."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import positive
from siammaskpp_core.cli.arguments import Commands
from siammaskpp_core.outcome import Outcome


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    prepare = commands.add_parser(
        "prepare-data",
        help="check a data set and index it for training (needs the extra [train])",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Read every annotation of a data set that was downloaded and unpacked, and write what\n"
        "training needs to one file, siammaskpp.KIND.npz. The file appears only when it is complete.",
        epilog="kinds, and the content of DIR (docs/training-data.md):\n"
        "  coco          train2017/  annotations/instances_train2017.json\n"
        "  youtube_vos   train/JPEGImages/  train/Annotations/  train/meta.json\n"
        "  imagenet_vid  Data/VID/train/  Annotations/VID/train/\n"
        "  imagenet_det  Data/DET/train/  Annotations/DET/train/\n\n"
        "example:\n  siammaskpp prepare-data imagenet_vid ~/data/ILSVRC2015",
    )
    prepare.add_argument("kind", metavar="KIND", help="kind of data set (see below)")
    prepare.add_argument("folder", type=Path, metavar="DIR", help="folder of the data set")
    prepare.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the file, in case DIR cannot be written to (default: DIR)",
    )
    prepare.add_argument(
        "--workers", type=positive, metavar="N", help="number of processes (default: one per processor)"
    )


def run(options: argparse.Namespace) -> Outcome:
    """Index the data set, and return what was found and left out."""
    from siammaskpp_core.data.preparation.prepare import prepare, summary

    report = prepare(options.kind, options.folder, options.output, options.workers)
    return Outcome(summary(report), tuple(report.broken))
