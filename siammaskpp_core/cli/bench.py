"""The subcommand `bench`: measure the time of each stage of a step."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from siammaskpp_core.arguments import add_options, positive, positives, sizes
from siammaskpp_core.cli.arguments import Commands, engines
from siammaskpp_core.engines.options import EngineOptions


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    bench = commands.add_parser(
        "bench",
        help="measure the time of each stage of a step",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Time the stages of a step on a synthetic video, median and 95th percentile in ms.\n"
        "All cases take turns frame by frame, so that they see the same load. The fraction of peak compares\n"
        "the network's operations per second with the highest rate that the engine reaches in a 3x3\n"
        "convolution on this machine (needs the extra [quantise]). The peak memory is that of the whole\n"
        "process: to compare engines by it, run them one at a time.",
        epilog="example:\n  siammaskpp bench --model my_model my_model_int8 --reference \\\n"
        "    --engine onnxruntime,openvino:bf16 --size 640x480,1920x1080 --targets 1,3",
    )
    bench.add_argument(
        "--model",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="model folders (default: the model of the package)",
    )
    bench.add_argument(
        "--engine",
        type=engines,
        default=[EngineOptions()],
        metavar="A,B",
        help="engines: onnxruntime (default), openvino, openvino:bf16",
    )
    add_options(bench, EngineOptions, "device", "threads", "cpu_affinity")
    bench.add_argument(
        "--size",
        type=sizes,
        default=[(640, 480)],
        metavar="WxH,..",
        help="sizes of the images (default 640x480)",
    )
    bench.add_argument(
        "--targets",
        type=positives,
        default=[1],
        metavar="N,..",
        help="numbers of targets tracked at once (default 1)",
    )
    bench.add_argument(
        "--frames",
        type=positive,
        default=100,
        metavar="N",
        help="number of frames that are timed (default 100)",
    )
    bench.add_argument(
        "--reference",
        action="store_true",
        help="also time the reference implementation: the same weights in torch, computed as the published "
        "code does (needs the extra [train])",
    )
    bench.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(options: argparse.Namespace) -> None:
    """Time the stages of a step and print the results."""
    from siammaskpp_core.bench.report import text
    from siammaskpp_core.bench.steps import benchmark

    engines = [
        replace(engine, device=options.device, threads=options.threads, cpu_affinity=options.cpu_affinity)
        for engine in options.engine
    ]
    result = benchmark(
        options.model or [], engines, options.size, options.targets, options.frames, options.reference
    )
    print(json.dumps(result, indent=2) if options.json else text(result))
