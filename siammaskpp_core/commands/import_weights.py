"""`siammaskpp import-weights`."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> None:
    """Convert; raises ImportError when the packages for it are not installed."""
    try:
        from siammaskpp_core.engines.export import save_model
        from siammaskpp_core.training.public_weights import TORCHVISION, import_weights
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is needed to import weights and not installed: pip install 'siammaskpp[train]'"
        ) from error
    model, tracking = import_weights(options.file, options.layout)
    save_model(model, tracking, options.output)
    if options.layout == TORCHVISION:
        print("only the backbone is trained: a start for `siammaskpp train`, not a tracker")
