"""The subcommand `train`: train a network."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import positive
from siammaskpp_core.cli.arguments import Commands
from siammaskpp_core.errors import extra
from siammaskpp_core.outcome import Outcome


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    train = commands.add_parser(
        "train",
        help="train a network (needs the extra [train])",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train the network that a configuration describes. An interrupted run with the same\n"
        "output folder is continued. docs/training.md describes GPUs, clusters and stages.",
        epilog="several processes, one for each GPU:\n"
        "  torchrun --nproc-per-node 4 -m siammaskpp_core.cli train --config ...",
    )
    train.add_argument(
        "--config",
        required=True,
        type=Path,
        metavar="YAML",
        help="configuration: a file, or the name of one of the package, such as lite",
    )
    train.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of the data sets")
    train.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder for checkpoints and learning curves",
    )
    train.add_argument(
        "--steps", type=positive, metavar="N", help="number of steps (default: that of the configuration)"
    )
    train.add_argument(
        "--init",
        type=Path,
        metavar="CHECKPOINT",
        help="checkpoint whose weights training starts from; lite: the default weights of the package",
    )
    train.add_argument(
        "--workers",
        type=positive,
        default=1,
        metavar="N",
        help="number of processes that prepare pairs, for each training process (default 1)",
    )
    train.add_argument(
        "--image-cache",
        type=positive,
        default=0,
        metavar="MB",
        help="memory in which each of these processes caches decoded images (default 0)",
    )


def run(options: argparse.Namespace) -> Outcome:
    """Train the network."""
    with extra("train", "for training"):
        from siammaskpp_core.training.experiment import train
    return train(
        options.config,
        options.data,
        options.output,
        steps=options.steps,
        init=options.init,
        workers=options.workers,
        cache_bytes=options.image_cache * 1_000_000,
    )
