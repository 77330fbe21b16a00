"""`siammaskpp prepare-data`."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import positive
from siammaskpp_core.cli.arguments import Commands


def add_arguments(commands: Commands) -> None:
    """Arguments of `prepare-data`."""
    prepare = commands.add_parser(
        "prepare-data",
        help="read and check a data set once, so that training can use it (needs the extra [train])",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Read every annotation of a data set, as it is downloaded and unpacked, and write what\n"
        "training needs to one file, siammaskpp.KIND.npz. It appears only when it is complete.",
        epilog="kinds, and what lies in DIR (docs/training-data.md):\n"
        "  coco          train2017/  annotations/instances_train2017.json\n"
        "  youtube_vos   train/JPEGImages/  train/Annotations/  train/meta.json\n"
        "  imagenet_vid  Data/VID/train/  Annotations/VID/train/\n"
        "  imagenet_det  Data/DET/train/  Annotations/DET/train/\n\n"
        "example:\n  siammaskpp prepare-data imagenet_vid ~/data/ILSVRC2015",
    )
    prepare.add_argument("kind", metavar="KIND", help="which data set it is (below)")
    prepare.add_argument("folder", type=Path, metavar="DIR", help="the data set's folder")
    prepare.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for the file, where DIR cannot be written to"
    )
    prepare.add_argument(
        "--workers", type=positive, metavar="N", help="processes (default: one for each processor)"
    )


def run(options: argparse.Namespace) -> None:
    """Prepare, and print what was found and left out."""
    from siammaskpp_core.data.preparation.prepare import prepare, summary

    print(summary(prepare(options.kind, options.folder, options.output, options.workers)))
