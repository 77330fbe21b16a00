"""The subcommand `build-engine`: build TensorRT engines of a model on the device that will run them."""

from __future__ import annotations

import argparse

from siammaskpp_core.arguments import positive
from siammaskpp_core.cli.arguments import Commands, add_model_folder
from siammaskpp_core.errors import extra


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    build = commands.add_parser(
        "build-engine",
        help="build TensorRT engines of a model, on the device that will run them",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Build TensorRT engines, compare them with ONNX Runtime and keep them in\n"
        "~/.cache/siammaskpp/tensorrt for --engine tensorrt, which uses the engines that were built last\n"
        "for its model. An engine runs on the kind of GPU and with the version of TensorRT that it was\n"
        "built with. Building takes minutes on a Jetson. docs/tensorrt.md tells more.",
        epilog="example:\n  siammaskpp build-engine my_model --max-targets 4",
    )
    add_model_folder(build)
    build.add_argument(
        "--precision",
        choices=("fp16", "fp32", "int8"),
        default="fp16",
        help="precision of the engines (default fp16); int8 needs a model that `quantise` made",
    )
    build.add_argument(
        "--max-targets",
        type=positive,
        default=1,
        metavar="N",
        help="number of targets computed in one call (default 1); more are computed group by group",
    )
    build.add_argument(
        "--workspace",
        type=positive,
        metavar="MB",
        help="memory that the builder may use (default: TensorRT's choice)",
    )
    build.add_argument("--rebuild", action="store_true", help="build the engines even if they exist")


def run(options: argparse.Namespace) -> None:
    """Build the engines of a model, or check the ones that exist; print their differences to ONNX Runtime."""
    from siammaskpp_core.engines.load import DEFAULT_MODEL
    from siammaskpp_core.engines.tensorrt import cache
    from siammaskpp_core.model.folder import read_model

    with extra("tensorrt", "for building engines"):
        from siammaskpp_core.engines.tensorrt.graphs import check_precision
    from siammaskpp_core.engines.tensorrt.device import open_driver
    from siammaskpp_core.engines.tensorrt.library import version

    model, tensorrt = read_model(options.model or DEFAULT_MODEL), version()
    check_precision(model, options.precision)
    driver = open_driver()
    from siammaskpp_core.engines.tensorrt.builder import build_model, check_model

    key = cache.key_of(model, tensorrt, driver.device, driver.compute_capability)
    folder = key.folder / f"{options.precision}-{options.max_targets}"
    print(f"TensorRT {tensorrt} on {driver.device} ({driver.compute_capability})")
    if folder.exists() and not options.rebuild:
        differences = check_model(model, cache.read(folder, key))
        (folder / cache.DESCRIPTION).touch()  # --engine tensorrt uses the newest one
    else:
        differences = build_model(
            model, key, folder, options.precision, options.max_targets, options.workspace
        )
    print(f"engines: {folder}")
    listed = ", ".join(f"{name} {value:.1e}" for name, value in differences.items())
    print(f"largest difference to ONNX Runtime, relative to the largest value: {listed}")
