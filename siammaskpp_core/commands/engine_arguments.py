"""Arguments that choose a model and its engine, and of the commands that are about engines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from siammaskpp_core.commands.argument_types import engines, positive, positives, sizes
from siammaskpp_core.commands.option_arguments import add_options
from siammaskpp_core.engine_options import EngineOptions

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_model(command: argparse.ArgumentParser) -> None:
    """The model, and the engine that computes it."""
    command.add_argument("--model", type=Path, metavar="DIR", help="model folder (default: the one shipped)")
    add_options(command, EngineOptions)


def add_bench(commands: Commands) -> None:
    """Arguments of `bench`."""
    bench = commands.add_parser(
        "bench",
        help="measure the time of each stage of a step",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Times the stages of a step on a synthetic video, in milliseconds (median and 95th\n"
        "percentile). All cases take turns frame by frame, so that they see the same load. The share of\n"
        "peak compares the network's operations per second with the most that the engine reaches in a 3x3\n"
        "convolution here (needs the extra [quantise]). The peak memory is the whole process's: to compare\n"
        "engines by it, run them one at a time.",
        epilog="example:\n  siammaskpp bench --model my_model my_model_int8 --published \\\n"
        "    --engine onnxruntime,openvino:bf16 --size 640x480,1920x1080 --targets 1,3",
    )
    bench.add_argument(
        "--model", type=Path, nargs="+", metavar="DIR", help="model folders (default: the one shipped)"
    )
    bench.add_argument(
        "--engine",
        type=engines,
        default=[EngineOptions()],
        metavar="A,B",
        help="onnxruntime (default), openvino or openvino:bf16",
    )
    add_options(bench, EngineOptions, "threads", "pin")
    bench.add_argument(
        "--size", type=sizes, default=[(640, 480)], metavar="WxH,..", help="of images (default 640x480)"
    )
    bench.add_argument(
        "--targets", type=positives, default=[1], metavar="N,..", help="followed at once (default 1)"
    )
    bench.add_argument("--frames", type=positive, default=100, metavar="N", help="frames timed (default 100)")
    bench.add_argument(
        "--published",
        action="store_true",
        help="also time the same weights in torch, computed as the published code does (needs [train])",
    )
    bench.add_argument("--json", action="store_true", help="print JSON instead of a table")


def add_quantise(commands: Commands) -> None:
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


def add_build_engine(commands: Commands) -> None:
    """Arguments of `build-engine`."""
    build = commands.add_parser(
        "build-engine",
        help="make TensorRT engines of a model folder, on the device that will run them",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Build TensorRT engines, compare them with ONNX Runtime and keep them in\n"
        "~/.cache/siammaskpp/tensorrt for --engine tensorrt, which uses what was built last for its model.\n"
        "An engine runs on the kind of GPU and the version of TensorRT it was built with. On a Jetson this\n"
        "takes minutes. docs/tensorrt.md tells more.",
        epilog="example:\n  siammaskpp build-engine my_model --max-targets 4",
    )
    build.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="model folder (default: the one shipped)"
    )
    build.add_argument(
        "--precision",
        choices=("fp16", "fp32", "int8"),
        default="fp16",
        help="fp16 (default), fp32; int8 of a model that `quantise` made",
    )
    build.add_argument(
        "--max-targets",
        type=positive,
        default=1,
        metavar="N",
        help="computed in one call (default 1); more are computed one group after the other",
    )
    build.add_argument(
        "--workspace", type=positive, metavar="MB", help="the builder's memory (default: TensorRT's choice)"
    )
    build.add_argument("--rebuild", action="store_true", help="even if the engines are there")
