"""`siammaskpp train`."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> None:
    """Train; raises ImportError when the packages for it are not installed."""
    try:
        from siammaskpp_core.training.run import train
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is needed for training and not installed: pip install 'siammaskpp[train]'"
        ) from error
    train(
        options.config,
        options.data,
        options.output,
        steps=options.steps,
        init=options.init,
        workers=options.workers,
    )
