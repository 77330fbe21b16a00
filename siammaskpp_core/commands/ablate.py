"""`siammaskpp ablate`."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> None:
    """Train, measure and print the table; raises ImportError when the packages for it are not installed."""
    try:
        from siammaskpp_core.training.ablation import ablate
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is needed for ablations and not installed: pip install 'siammaskpp[train,eval]'"
        ) from error
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
