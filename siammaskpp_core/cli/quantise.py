"""The subcommand `quantise`: turn a model folder into one that computes in int8."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import positive
from siammaskpp_core.cli.arguments import Commands, add_model_folder
from siammaskpp_core.errors import extra
from siammaskpp_core.outcome import Outcome


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    quantise = commands.add_parser(
        "quantise",
        help="turn a model folder into one that computes in int8 (needs the extra [quantise])",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write an int8 copy of a model folder, for --model with any engine. The ranges of its\n"
        "values are measured on crops from videos or folders of images, which should resemble the images\n"
        "of the later use. A quarter of the crops is kept to compare the results with those in float.",
        epilog="example:\n  siammaskpp quantise my_model --calibration videos/*.mp4 --output my_model_int8",
    )
    add_model_folder(quantise)
    quantise.add_argument(
        "--calibration",
        required=True,
        nargs="+",
        metavar="VIDEO",
        help="videos or folders of images to take crops from",
    )
    quantise.add_argument(
        "--pairs",
        type=positive,
        default=32,
        metavar="N",
        help="number of pairs of crops from each video (default 32)",
    )
    quantise.add_argument(
        "--symmetric",
        action="store_true",
        help="use symmetric ranges, which TensorRT needs and which are slower with onnxruntime on a CPU",
    )
    quantise.add_argument("--output", required=True, type=Path, metavar="DIR", help="model folder to write")


def run(options: argparse.Namespace) -> Outcome:
    """Quantise the model, and return how much its results differ from those in float."""
    from siammaskpp_core.engines.load import DEFAULT_MODEL

    with extra("quantise", "for quantising"):
        from siammaskpp_core.engines.export.quantise import crop_pairs, quantise_model
    left_out: list[str] = []
    pairs = [pair for source in options.calibration for pair in crop_pairs(source, options.pairs, left_out)]
    differences = quantise_model(options.model or DEFAULT_MODEL, options.output, pairs, options.symmetric)
    head = "relative root mean square difference to float, on crops that were not used for calibration:"
    lines = [head, *(f"  {name:12} {value:.3f}" for name, value in differences.items())]
    return Outcome("\n".join(lines), tuple(left_out))
