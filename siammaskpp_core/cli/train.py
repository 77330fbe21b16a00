"""`siammaskpp train`."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import positive
from siammaskpp_core.cli.arguments import Commands
from siammaskpp_core.errors import extra


def add_arguments(commands: Commands) -> None:
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


def run(options: argparse.Namespace) -> None:
    """Train; raises MissingPackageError when the packages for it are not installed."""
    with extra("train", "for training"):
        from siammaskpp_core.training.run import train
    train(
        options.config,
        options.data,
        options.output,
        steps=options.steps,
        init=options.init,
        workers=options.workers,
        memory_bytes=options.picture_memory * 1_000_000,
    )
