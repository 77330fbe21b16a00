"""`siammaskpp ablate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import positive
from siammaskpp_core.cli.arguments import Commands
from siammaskpp_core.errors import extra


def add_arguments(commands: Commands) -> None:
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


def run(options: argparse.Namespace) -> None:
    """Train, measure and print the table; raises MissingPackageError when a package for it is missing."""
    with extra("train,eval", "for ablations"):
        from siammaskpp_core.evaluation.ablation import ablate
    table = ablate(
        options.config,
        options.data,
        options.sequences,
        options.output,
        steps=options.steps,
        names=options.rows,
        workers=options.workers,
    )
    print(table)
