"""Check of a TensorRT engine against ONNX Runtime, whose outputs are stored beside the engine."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from siammaskpp_core.arrays import AnyArray, Image
from siammaskpp_core.engines.difference import check_differences, relative_difference
from siammaskpp_core.engines.onnx_runtime import OnnxRuntimeEngine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import Model
from siammaskpp_core.network.config import SEARCH_SIZE, TEMPLATE_SIZE
from siammaskpp_core.network.protocol import Engine

Arrays = dict[str, AnyArray]

TOLERANCES = {"fp32": 1e-3, "fp16": 0.05, "int8": 0.25}
"""Largest difference by precision, relative to the largest value of an output."""


def expected_outputs(model: Model, targets: int) -> Arrays:
    """Random inputs for a number of targets, and the outputs of ONNX Runtime on the model's own graphs.

    The keys are template, search, cells (inputs) and kernels, cls, loc, masks (outputs).
    """
    random = np.random.default_rng(0)
    template = np.stack([_random_image(random, TEMPLATE_SIZE) for _ in range(targets)])
    search = np.stack([_random_image(random, SEARCH_SIZE) for _ in range(targets)])
    last = model.network.response_size - 1
    # At the centre, where windows lie inside the map, and in corners, where they reach beyond it.
    places = [(last // 2, last // 2), (0, last), (last, 0), (2, 5)]
    cells = np.array([places[index % len(places)] for index in range(targets)])
    inputs: Arrays = {"template": template, "search": search, "cells": cells}
    engine = OnnxRuntimeEngine(model, EngineOptions())
    inputs["kernels"] = engine.encode_template(template)
    outputs = _outputs(engine, inputs, model.network.mask != "none")
    return inputs | {name: value.copy() for name, value in outputs}


def verify(engine: Engine, expected: Arrays, precision: str) -> dict[str, float]:
    """The relative difference of each output of `engine` to `expected`.

    Raises :class:`~siammaskpp_core.engines.difference.DifferenceError` when one exceeds the tolerance of
    `precision`.
    """
    outputs = _outputs(engine, expected, "masks" in expected)
    differences = {name: relative_difference(value, expected[name]) for name, value in outputs}
    tolerance = TOLERANCES[precision]
    check_differences(
        differences,
        tolerance,
        f"the {engine.name} engine differs from ONNX Runtime by more than {tolerance:g} of the largest value",
    )
    return differences


def _outputs(engine: Engine, inputs: Arrays, has_masks: bool) -> Iterator[tuple[str, AnyArray]]:
    """The outputs of each stage, computed from the expected inputs so that differences do not add up."""
    yield "kernels", engine.encode_template(inputs["template"])
    outputs = engine.search(inputs["search"], list(inputs["kernels"]))
    yield "cls", np.stack([output.cls for output in outputs])
    if outputs[0].loc is not None:
        yield "loc", np.stack([output.loc for output in outputs if output.loc is not None])
    if has_masks:
        cells = [(int(row), int(column)) for row, column in inputs["cells"]]
        yield "masks", engine.refine(outputs, cells)


def _random_image(random: np.random.Generator, side: int) -> Image:
    """A smooth random image, BGR [side, side, 3]."""
    coarse = random.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]
