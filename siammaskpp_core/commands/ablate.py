"""`siammaskpp ablate`."""

from __future__ import annotations

import argparse

from siammaskpp_core.commands.extras import extra


def run(options: argparse.Namespace) -> None:
    """Train, measure and print the table; raises ImportError when the packages for it are not installed."""
    with extra("train,eval", "for ablations"):
        from siammaskpp_core.training.ablation import ablate
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
