"""`siammaskpp prepare-data`."""

from __future__ import annotations

import argparse

from siammaskpp_core.training.preparation.prepare import prepare, summary


def run(options: argparse.Namespace) -> None:
    """Prepare, and print what was found and left out."""
    print(summary(prepare(options.kind, options.folder, options.output, options.workers)))
