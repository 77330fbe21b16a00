"""Benchmark of the tracker node from the camera to the mask, over DDS: ros2 run siammaskpp bench_node.

It starts a camera and the installed node in processes of their own and subscribes to the results.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory

from siammaskpp_core.arguments import add_options, options_from, positive, positives, sizes
from siammaskpp_core.bench.machine import machine
from siammaskpp_core.bench.report import statistics
from siammaskpp_core.config import to_mapping
from siammaskpp_core.engines.load import DEFAULT_MODEL, with_real_engine
from siammaskpp_core.engines.options import CPU, CPU_ENGINES, EngineOptions
from siammaskpp_core.errors import UserError
from siammaskpp_core.model.folder import read_model
from siammaskpp_core.tracking.tracker import NETWORK_STAGES
from siammaskpp_ros.bench.client import Case, Measurement, measure
from siammaskpp_ros.common.processes import installed

_FIGURES = {"gflop": "GFLOP", "peak_gflops": "peak GFLOP/s", "fraction_of_peak": "fraction of peak"}
"""Keys of a row and their names in the table."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every case and print the figures; return 0 when all cases could be measured."""
    options = _parser().parse_args(arguments)
    # Keep the benchmark's topics apart from those of a robot on the same network.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    profile = Path(get_package_share_directory("siammaskpp")) / "config" / "fastdds_images.xml"
    os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(profile))
    model = options.model or DEFAULT_MODEL
    rows = []
    try:
        engine = with_real_engine(read_model(model), options_from(EngineOptions, options))
        parameters = {**to_mapping(engine), "model": str(model.resolve())}
        operations = _Operations(model, engine)
        for size, rate_hz, targets in product(options.size, options.rate, options.targets):
            case = Case(size, float(rate_hz), targets, options.frames)
            row = row_of(case, measure(installed("tracker_node"), case, **parameters))
            rows.append(row | operations.figures(row))
    except UserError as error:
        print(f"bench_node: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    names = {"model": model.name, "engine": engine.engine, "frames": options.frames}
    load = {"load": round(os.getloadavg()[0], 2)}
    result = {**names, "cases": rows, "machine": {**machine([engine.engine]), **load}}
    print(json.dumps(result, indent=2) if options.json else table(result))
    return 0


def row_of(case: Case, measurement: Measurement) -> dict[str, Any]:
    """Return the figures of one case; times in ms are given as median and 95th percentile.

    The stage `overhead` is the time from the arrival of the image to its mask without that of the network.
    """
    return {
        "size": list(case.size),
        "rate_hz": case.rate_hz,
        "targets": case.targets,
        "stages": statistics(measurement.stages)["stages"],
        "fps": None if measurement.fps is None else round(measurement.fps, 1),
        "seen_fraction": round(measurement.seen_fraction, 3),
        "resident_mb": [round(value, 1) for value in measurement.resident_mb],
    }


def table(result: dict[str, Any]) -> str:
    """Return a table with median and p95 of each stage, one column for each case, and other figures."""
    rows = result["cases"]
    lines = [f"{result['model']} on {result['engine']}, median / p95 in ms of {result['frames']} images"]

    def line(name: str, cells: Sequence[str]) -> None:
        lines.append(f"{name:16}" + "".join(f"{cell:>20}" for cell in cells))

    line("image", [f"{row['size'][0]}x{row['size'][1]}" for row in rows])
    line("camera, Hz", [f"{row['rate_hz']:g}" for row in rows])
    line("targets", [str(row["targets"]) for row in rows])
    for stage in rows[0]["stages"]:
        cells = [row["stages"][stage] for row in rows]
        line(stage, [f"{cell['median_ms']:.2f} / {cell['p95_ms']:.2f}" for cell in cells])
    line("fps", ["-" if row["fps"] is None else f"{row['fps']:.1f}" for row in rows])
    line("seen", [f"{row['seen_fraction']:.1%}" for row in rows])
    line("memory, MB", ["{:.0f} -> {:.0f}".format(*row["resident_mb"]) for row in rows])
    for key, name in _FIGURES.items():
        if key in rows[0]:
            line(name, [f"{row[key]:.2f}" for row in rows])
    if "gflop" not in rows[0]:
        lines.append("operations are counted when onnx is installed: pip install 'siammaskpp[quantise]'")
    lines += [f"{key}: {value}" for key, value in result["machine"].items()]
    return "\n".join(lines)


class _Operations:
    """Number of operations of the network, compared with the highest rate that its engine reaches here.

    There are no figures when onnx, which is needed to count operations, is not installed.
    """

    def __init__(self, folder: Path, options: EngineOptions) -> None:
        self._count, self._peak = 0, None
        try:
            from siammaskpp_core.bench.operations import PeakRate, count_operations
        except ModuleNotFoundError:  # onnx
            return
        model = read_model(folder)
        graphs = [stage for stage in NETWORK_STAGES if stage in model.graphs]
        self._count = sum(count_operations(model.graph(stage)) for stage in graphs)
        if options.engine in CPU_ENGINES and options.device == CPU:
            self._peak = PeakRate(options, model.precision == "int8")
            self._peak.measure()

    def figures(self, row: dict[str, Any]) -> dict[str, float]:
        """Return operations per image (GFLOP), peak (GFLOP/s), and the fraction of it at the median times."""
        if not self._count:
            return {}
        gflop = self._count * row["targets"] / 1e9
        result = {"gflop": round(gflop, 3)}
        if self._peak is not None:
            peak = self._peak.measure() / 1e9
            network_s = sum(row["stages"][stage]["median_ms"] for stage in NETWORK_STAGES) / 1e3
            result["peak_gflops"] = round(peak, 1)
            result["fraction_of_peak"] = round(gflop / network_s / peak, 3)
        return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench_node",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures the tracker node from end to end over DDS: a camera with synthetic images,\n"
        "the node and a subscriber, each in its own process. A camera that is slower than the tracker shows\n"
        "the time that the node adds to the network (overhead); a faster camera shows how old images get.",
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="model folder (default: the default weights)"
    )
    add_options(parser, EngineOptions)
    parser.add_argument(
        "--size",
        type=sizes,
        default=[(640, 480)],
        metavar="WxH,..",
        help="sizes of the images (default 640x480)",
    )
    parser.add_argument(
        "--rate",
        type=positives,
        default=[10, 60],
        metavar="HZ,..",
        help="frame rates of the camera (default 10,60)",
    )
    parser.add_argument(
        "--targets", type=positives, default=[1], metavar="N,..", help="numbers of targets (default 1)"
    )
    parser.add_argument(
        "--frames", type=positive, default=200, metavar="N", help="number of measured images (default 200)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
