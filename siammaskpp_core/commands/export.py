"""`siammaskpp export`."""

from __future__ import annotations

import argparse

from siammaskpp_core.commands.extras import extra


def run(options: argparse.Namespace) -> None:
    """Export; raises ImportError when the packages for it are not installed."""
    with extra("train", "for exporting"):
        from siammaskpp_core.engines.export import export
    export(options.checkpoints, options.output)
