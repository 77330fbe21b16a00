"""Whether an engine computes what ONNX Runtime does: inputs and answers that are stored beside it."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from siammaskpp_core.arrays import AnyArray, Image
from siammaskpp_core.engines.onnx_runtime import OnnxRuntimeEngine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import Model
from siammaskpp_core.network.config import SEARCH_SIZE, TEMPLATE_SIZE
from siammaskpp_core.network.protocol import Engine, EngineError

Arrays = dict[str, AnyArray]

TOLERANCES = {"fp32": 1e-3, "fp16": 0.05, "int8": 0.25}
"""Largest difference by precision, relative to the largest value of a tensor."""


class DifferenceError(EngineError):
    """An engine that computes something else than ONNX Runtime."""


def expected_answers(model: Model, targets: int) -> Arrays:
    """Inputs for `targets` and the answers of ONNX Runtime on the model folder's own graphs."""
    random = np.random.default_rng(0)
    template = np.stack([_picture(random, TEMPLATE_SIZE) for _ in range(targets)])
    search = np.stack([_picture(random, SEARCH_SIZE) for _ in range(targets)])
    last = model.network.response_size - 1
    # In the middle, where windows lie inside the map, and in corners, where they reach out.
    places = [(last // 2, last // 2), (0, last), (last, 0), (2, 5)]
    cells = np.array([places[index % len(places)] for index in range(targets)])
    inputs: Arrays = {"template": template, "search": search, "cells": cells}
    engine = OnnxRuntimeEngine(model, EngineOptions())
    inputs["kernels"] = engine.encode_template(template)
    answers = _answers(engine, inputs, model.network.mask != "none")
    return inputs | {name: value.copy() for name, value in answers}


def verify(engine: Engine, expected: Arrays, precision: str) -> dict[str, float]:
    """Relative differences of the answers of `engine` to the `expected` ones.

    Raises :class:`DifferenceError` that names those which are above the tolerance of `precision`.
    """
    differences = {}
    for name, value in _answers(engine, expected, "masks" in expected):
        reference = expected[name]
        differences[name] = float(np.abs(value - reference).max() / np.abs(reference).max())
    tolerance = TOLERANCES[precision]
    wrong = {name: value for name, value in differences.items() if not value <= tolerance}
    if wrong:
        listed = ", ".join(f"{name} by {value:.2g}" for name, value in wrong.items())
        raise DifferenceError(
            f"the {engine.name} engine differs from ONNX Runtime by more than {tolerance:g} of the largest "
            f"value: {listed}"
        )
    return differences


def _answers(engine: Engine, inputs: Arrays, has_masks: bool) -> Iterator[tuple[str, AnyArray]]:
    """Every stage on the same inputs, so that differences do not add up."""
    yield "kernels", engine.encode_template(inputs["template"])
    outputs = engine.search(inputs["search"], list(inputs["kernels"]))
    yield "cls", np.stack([output.cls for output in outputs])
    if outputs[0].loc is not None:
        yield "loc", np.stack([output.loc for output in outputs if output.loc is not None])
    if has_masks:
        cells = [(int(row), int(column)) for row, column in inputs["cells"]]
        yield "masks", engine.refine(outputs, cells)


def _picture(random: np.random.Generator, side: int) -> Image:
    """A smooth random picture, BGR [side, side, 3]."""
    coarse = random.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]
