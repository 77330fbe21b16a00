"""`siammaskpp import-weights`."""

from __future__ import annotations

import argparse

from siammaskpp_core.commands.extras import extra


def run(options: argparse.Namespace) -> None:
    """Convert; raises ImportError when the packages for it are not installed."""
    with extra("train", "to import weights"):
        from siammaskpp_core.engines.export import save_model
        from siammaskpp_core.training.public_weights import TORCHVISION, import_weights
    model, tracking = import_weights(options.file, options.layout)
    save_model(model, tracking, options.output)
    if options.layout == TORCHVISION:
        print("only the backbone is trained: a start for `siammaskpp train`, not a tracker")
