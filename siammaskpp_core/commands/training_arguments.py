"""Arguments of the commands around training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from siammaskpp_core.commands.argument_types import positive

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_prepare_data(commands: Commands) -> None:
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


def add_train(commands: Commands) -> None:
    """Arguments of `train`."""
    train = commands.add_parser(
        "train",
        help="train a network (needs the extra [train])",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train the network that a configuration describes; continues where an interrupted run\n"
        "with the same output folder stopped. docs/training.md tells of GPUs, machines and stages.",
        epilog="several processes, one for each GPU:\n"
        "  torchrun --nproc-per-node 4 -m siammaskpp_core.cli train --config ...",
    )
    train.add_argument(
        "--config", required=True, type=Path, metavar="YAML", help="e.g. config/networks/lite.yaml"
    )
    train.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of the data sets")
    train.add_argument("--output", required=True, type=Path, metavar="DIR", help="for checkpoints and curves")
    train.add_argument("--steps", type=positive, metavar="N", help="instead of the configuration's number")
    train.add_argument("--init", type=Path, metavar="CHECKPOINT", help="start from this one's weights")
    train.add_argument(
        "--workers",
        type=positive,
        default=1,
        metavar="N",
        help="processes that make pairs, for each training process (default 1)",
    )
    train.add_argument(
        "--picture-memory",
        type=positive,
        default=0,
        metavar="MB",
        help="of decoded pictures that each of these keeps (default 0): less to read again",
    )


def add_export(commands: Commands) -> None:
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


def add_ablate(commands: Commands) -> None:
    """Arguments of `ablate`."""
    ablate = commands.add_parser(
        "ablate",
        help="train and compare networks that differ in one thing (needs the extras [train,eval])",
        description="Train every row of a configuration alike, measure it on sequences in one pass, and "
        "write the paper's table: ablation.md, .json and .png. An interrupted run goes on where it stopped.",
    )
    ablate.add_argument(
        "--config", required=True, type=Path, metavar="YAML", help="e.g. config/ablations/lite.yaml"
    )
    ablate.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of the training data")
    ablate.add_argument(
        "--sequences", required=True, type=Path, nargs="+", metavar="DIR", help="what `evaluate` takes"
    )
    ablate.add_argument("--output", required=True, type=Path, metavar="DIR", help="a folder for each row")
    ablate.add_argument("--steps", type=positive, metavar="N", help="of every stage: a small budget")
    ablate.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="only these rows")
    ablate.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="processes that make pairs (default 1)"
    )


def add_import(commands: Commands) -> None:
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
