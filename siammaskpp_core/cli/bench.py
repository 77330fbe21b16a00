"""`siammaskpp bench`."""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

from siammaskpp_core.arguments import add_options, positive, positives, sizes
from siammaskpp_core.cli.arguments import Commands, engines
from siammaskpp_core.engines.options import EngineOptions


def add_arguments(commands: Commands) -> None:
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
    add_options(bench, EngineOptions, "threads", "cpu_affinity")
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


def run(options: argparse.Namespace) -> None:
    """Time the stages of a step and print them."""
    from siammaskpp_core.bench.machine import machine, peak_rss_mb
    from siammaskpp_core.bench.report import relate, statistics, text
    from siammaskpp_core.bench.steps import PUBLISHED, load_variants, measure

    variants = load_variants(options)
    cases = list(product(variants, options.size, options.targets))
    times = measure([(v.tracker, size, targets) for v, size, targets in cases], options.frames)
    rows = []
    for (variant, size, targets), stages in zip(cases, times, strict=True):
        row = {
            "model": variant.model,
            "backbone": variant.backbone,
            "engine": variant.engine,
            "precision": variant.precision,
            "size": list(size),
            "targets": targets,
            **statistics(stages),
        }
        if variant.gflop:
            row["gflop"] = {stage: value * targets for stage, value in variant.gflop.items()}
        if variant.peak:
            row["peak_gflops"] = variant.peak.measure() / 1e9
        rows.append(row)
    relate(rows, PUBLISHED)
    result = {
        "frames": options.frames,
        "steps": rows,
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "machine": machine({"torch" if v.engine == PUBLISHED else v.engine for v in variants}),
    }
    print(json.dumps(result, indent=2) if options.json else text(result))
