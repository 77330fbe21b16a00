"""`siammaskpp build-engine`."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from siammaskpp_core.commands.extras import extra
from siammaskpp_core.engines import DEFAULT_MODEL, read_model
from siammaskpp_core.engines import tensorrt_cache as cache
from siammaskpp_core.engines.graphs import Model


def run(options: argparse.Namespace) -> None:
    """Build the engines of a model folder, unless they are there and right."""
    with extra("tensorrt", "for building engines"):
        from siammaskpp_core.engines.tensorrt_graphs import check_precision
    from siammaskpp_core.engines.tensorrt_driver import open_driver
    from siammaskpp_core.engines.tensorrt_library import version

    model, tensorrt = read_model(options.model or DEFAULT_MODEL), version()
    check_precision(model, options.precision)
    driver = open_driver()
    key = cache.key_of(model, tensorrt, driver.device, driver.compute_capability)
    folder = key.folder / f"{options.precision}-{options.max_targets}"
    print(f"TensorRT {tensorrt} on {driver.device} ({driver.compute_capability})")
    if folder.exists() and not options.rebuild:
        differences = _check(model, cache.read(folder, key))
        (folder / cache.DESCRIPTION).touch()  # the newest is the one that is used
    else:
        differences = _build(model, key, folder, options)
    print(f"engines: {folder}")
    listed = ", ".join(f"{name} {value:.1e}" for name, value in differences.items())
    print(f"largest difference to ONNX Runtime, of the largest value: {listed}")


def _build(model: Model, key: cache.Key, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Build into `folder`; what is there is replaced when the new engines have been checked."""
    from siammaskpp_core.engines.tensorrt_builder import build
    from siammaskpp_core.engines.tensorrt_check import expected_answers
    from siammaskpp_core.engines.tensorrt_graphs import prepared_graphs

    graphs = prepared_graphs(model, options.precision, options.max_targets)
    folder.parent.mkdir(parents=True, exist_ok=True)
    engines = build(
        graphs, options.precision, options.max_targets, options.workspace, folder.parent / "timing.cache"
    )
    expected = expected_answers(model, options.max_targets)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        new = Path(work) / folder.name
        new.mkdir()
        cache.write(cache.Built(options.precision, options.max_targets, engines, expected), key, new)
        differences = _check(model, cache.read(new, key))
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    return differences


def _check(model: Model, built: cache.Built) -> dict[str, float]:
    from siammaskpp_core.engines.tensorrt import TensorRtEngine

    return TensorRtEngine(model, built=built).differences
