"""`siammaskpp export`."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> None:
    """Export; raises ImportError when the packages for it are not installed."""
    try:
        from siammaskpp_core.engines.export import export
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is needed for exporting and not installed: pip install 'siammaskpp[train]'"
        ) from error
    export(options.checkpoint, options.output)
