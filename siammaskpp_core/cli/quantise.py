"""`siammaskpp quantise`."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import positive
from siammaskpp_core.cli.arguments import Commands
from siammaskpp_core.errors import extra


def add_arguments(commands: Commands) -> None:
    """Arguments of `quantise`."""
    quantise = commands.add_parser(
        "quantise",
        help="turn a model folder into one that computes in int8 (needs the extra [quantise])",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write the int8 twin of a model folder, which --model takes on every engine. The ranges\n"
        "of its numbers are measured on crops from videos or folders of images, best such as the network\n"
        "will see. A quarter of the crops is kept for comparing the answers with those in float.",
        epilog="example:\n  siammaskpp quantise my_model --calibration videos/*.mp4 --output my_model_int8",
    )
    quantise.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="model folder (default: the one shipped)"
    )
    quantise.add_argument(
        "--calibration", required=True, nargs="+", metavar="VIDEO", help="videos or folders of images"
    )
    quantise.add_argument(
        "--pairs", type=positive, default=32, metavar="N", help="crops taken of each of them (default 32)"
    )
    quantise.add_argument(
        "--symmetric", action="store_true", help="as TensorRT needs it; slower on a CPU with onnxruntime"
    )
    quantise.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="the model folder to write"
    )


def run(options: argparse.Namespace) -> None:
    """Quantise; raises MissingPackageError when the packages for it are not installed."""
    from siammaskpp_core.engines.export.quantise import crop_pairs
    from siammaskpp_core.engines.load import DEFAULT_MODEL

    with extra("quantise", "for quantising"):
        from siammaskpp_core.engines.export.quantise import quantise_model
    pairs = [pair for source in options.calibration for pair in crop_pairs(source, options.pairs)]
    differences = quantise_model(options.model or DEFAULT_MODEL, options.output, pairs, options.symmetric)
    print("relative root mean square difference to float, on crops that were not calibrated with:")
    for name, value in differences.items():
        print(f"  {name:12} {value:.3f}")
