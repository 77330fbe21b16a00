"""The subcommand `ablate`: train and compare networks that differ in one respect."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import positive
from siammaskpp_core.cli.arguments import Commands
from siammaskpp_core.errors import extra
from siammaskpp_core.outcome import Outcome


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    ablate = commands.add_parser(
        "ablate",
        help="train and compare networks that differ in one respect (needs the extras [train,eval])",
        description="Train every row of a configuration in the same way, evaluate it in one pass over "
        "sequences, and write the paper's table: ablation.md, .json, .png. An interrupted run is continued.",
    )
    ablate.add_argument(
        "--config",
        required=True,
        type=Path,
        metavar="YAML",
        help="configuration: a file, or the name of one of the package: lite or paper",
    )
    ablate.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of the training data")
    ablate.add_argument(
        "--sequences",
        required=True,
        type=Path,
        nargs="+",
        metavar="DIR",
        help="folders of sequences in a layout that `evaluate` reads",
    )
    ablate.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder for the table, with one folder for each row",
    )
    ablate.add_argument(
        "--steps",
        type=positive,
        metavar="N",
        help="number of steps of every stage, for a smaller budget (default: that of the configuration)",
    )
    ablate.add_argument(
        "--rows", nargs="+", default=[], metavar="NAME", help="rows to train (default: all of them)"
    )
    ablate.add_argument(
        "--workers",
        type=positive,
        default=1,
        metavar="N",
        help="number of processes that prepare pairs (default 1)",
    )


def run(options: argparse.Namespace) -> Outcome:
    """Train and evaluate the rows and return the table."""
    with extra("train,eval", "for ablations"):
        from siammaskpp_core.evaluation.ablation import ablate
    return ablate(
        options.config,
        options.data,
        options.sequences,
        options.output,
        steps=options.steps,
        names=options.rows,
        workers=options.workers,
    )
