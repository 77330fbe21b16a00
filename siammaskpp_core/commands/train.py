"""`siammaskpp train`."""

from __future__ import annotations

import argparse

from siammaskpp_core.commands.extras import extra


def run(options: argparse.Namespace) -> None:
    """Train; raises ImportError when the packages for it are not installed."""
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
