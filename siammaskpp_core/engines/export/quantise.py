"""From a model folder in float to one in int8: static Q/DQ graphs, which every runtime reads."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from tqdm import tqdm

from siammaskpp_core.arrays import Image
from siammaskpp_core.engines.graph_engine import GraphEngine
from siammaskpp_core.engines.onnx_runtime import OnnxRuntimeEngine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.io.video import open_frames
from siammaskpp_core.model.folder import read_model, write_description
from siammaskpp_core.network.config import TEMPLATE_SIZE
from siammaskpp_core.network.protocol import EngineError, ModelError, SearchOutput
from siammaskpp_core.tracking.crops import CropWindow, context_side, mean_colour

CropPair: TypeAlias = tuple[Image, Image]
"""A template crop, BGR [127, 127, 3], and a search crop, BGR [255, 255, 3], of one object."""

TOLERANCE = 0.2
"""Largest root mean square difference to float, relative to that of the float values."""
CHECKED = 4
"""One of so many pairs is not calibrated with, but checked."""


class QuantisationError(EngineError):
    """An int8 graph answers too differently from the float one."""


def quantise_model(
    model_folder: Path, output: Path, crops: Sequence[CropPair], symmetric: bool = False
) -> dict[str, float]:
    """Write the int8 twin of a float model folder to `output`, a new or empty folder, and check it.

    Weights are int8 by output channel, activations uint8 with zero points, biases float. With `symmetric`
    activations are int8 around 0, the only ones that TensorRT reads; they are slower on a CPU, where the
    zero point 0 of uint8 lets a convolution take in the activation after it. In float stay the template,
    which runs once for a target, and in the search the correlations and what follows them. Ranges are
    measured on `crops`, of which one in :data:`CHECKED` is left for the check.

    Returns the relative root mean square difference of score, box and mask to float. Raises
    :class:`QuantisationError` when one is above :data:`TOLERANCE` (nothing is left behind),
    :class:`ModelError` for a folder that is not a float model.
    """
    model = read_model(model_folder)
    if model.precision != "fp32":
        raise ModelError(f"{model_folder} is quantised already; give the float model")
    if len(crops) < CHECKED:
        raise QuantisationError(f"{len(crops)} pairs of crops are too few; give at least {CHECKED}")
    engine = OnnxRuntimeEngine(model, EngineOptions())
    checked = crops[::CHECKED]
    calibrated = [pair for index, pair in enumerate(crops) if index % CHECKED]
    with Output(output, is_folder=True) as work:
        for graph in model.graphs:
            if graph == "template":
                shutil.copyfile(model.graph(graph), work / f"{graph}.onnx")
            else:
                _quantise(
                    model.graph(graph), work / f"{graph}.onnx", _Feeds(engine, graph, calibrated), symmetric
                )
        write_description(work, model.network, model.tracking, "int8")
        return check(engine, OnnxRuntimeEngine(read_model(work), EngineOptions()), checked)


def check(engine: GraphEngine, quantised: GraphEngine, crops: Sequence[CropPair]) -> dict[str, float]:
    """How far `quantised` is from `engine` in what a tracker reads; see :func:`quantise_model`."""
    noise: dict[str, float] = defaultdict(float)
    signal: dict[str, float] = defaultdict(float)
    for pair in crops:
        expected, cell = _answer(engine, pair)
        own, _ = _answer(quantised, pair)
        values = {"cls": (own.cls, expected.cls), "loc": (own.loc, expected.loc)}
        if expected.mask is not None:
            values["mask"] = (quantised.refine([own], [cell]), engine.refine([expected], [cell]))
        for name, (mine, reference) in values.items():
            if mine is not None and reference is not None:
                noise[name] += float(np.square(mine - reference).sum())
                signal[name] += float(np.square(reference).sum())
    differences = {name: float(np.sqrt(noise[name] / signal[name])) for name in noise}
    wrong = {name: value for name, value in differences.items() if not value <= TOLERANCE}
    if wrong:
        listed = ", ".join(f"{name} by {value:.2f}" for name, value in wrong.items())
        raise QuantisationError(
            f"{quantised.name} in int8 differs from float by more than {TOLERANCE:g}: {listed}; "
            "calibrate with more pictures, or with such as the network will see"
        )
    return differences


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    """The inputs of one graph, as the float model makes them from pairs of crops."""

    def __init__(self, engine: GraphEngine, graph: str, crops: Sequence[CropPair]) -> None:
        self._feeds = self._make(engine, graph, crops)

    def get_next(self) -> dict[str, Any] | None:
        """The next inputs; None at the end."""
        return next(self._feeds, None)

    @staticmethod
    def _make(engine: GraphEngine, graph: str, crops: Sequence[CropPair]) -> Iterator[dict[str, Any]]:
        for pair in tqdm(crops, unit="pair", desc=graph, mininterval=0.5):
            if graph == "search":
                yield {"pixels": pair[1][None], "kernels": engine.encode_template(pair[0][None])}
            else:
                yield engine.refine_inputs(*_answer(engine, pair))


def _answer(engine: GraphEngine, pair: CropPair) -> tuple[SearchOutput, tuple[int, int]]:
    """The answer for a pair of crops and its best cell (row, column)."""
    template, search = pair
    (output,) = engine.search(search[None], [engine.encode_template(template[None])[0]])
    anchors = len(output.cls) // 2
    best = (output.cls[anchors:] - output.cls[:anchors]).max(axis=0)
    row, column = np.unravel_index(int(best.argmax()), best.shape)
    return output, (int(row), int(column))


def _quantise(path: Path, output: Path, feeds: _Feeds, symmetric: bool) -> None:
    model = onnx.load(path)
    _constants_to_initializers(model.graph)
    _gather_kernels(model.graph)
    _drop_unused(model.graph)
    # Norms are folded since the export and constants since here: the quantiser need not advise it.
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    quantize_static(
        model,
        output,
        feeds,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "Add"],
        per_channel=True,
        activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=_kept_in_float(model.graph),
        extra_options={
            "ActivationSymmetric": symmetric,
            "WeightSymmetric": True,
            "QuantizeBias": False,
            # Only what is read: the range before an activation is far wider than after it.
            "OpTypesToExcludeOutputQuantization": ["Conv", "Add"],
        },
    )


def _constants_to_initializers(graph: Any) -> None:
    """What the quantiser reads of an operator's constants."""
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        tensor = node.attribute[0].t
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)


def _gather_kernels(graph: Any) -> None:
    """Take the kernels apart by Gather: OpenVINO cannot read int8 convolutions with a part of a Split."""
    sizes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    parts = {"kernels"}
    for node in [node for node in graph.node if node.op_type == "Split"]:
        if node.input[0] not in parts:
            continue
        place = list(graph.node).index(node)
        graph.node.remove(node)
        ends = np.cumsum(sizes[node.input[1]])
        for start, end, name in zip([0, *ends[:-1]], ends, node.output, strict=True):
            indices = numpy_helper.from_array(np.arange(start, end), f"{name}/indices")
            graph.initializer.append(indices)
            gather = helper.make_node("Gather", [node.input[0], indices.name], [name], name=name, axis=1)
            graph.node.insert(place, gather)
        parts.update(node.output)


def _drop_unused(graph: Any) -> None:
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _kept_in_float(graph: Any) -> list[str]:
    """Names of the convolutions whose kernel is computed (the correlations) and of all after them."""
    constants = {tensor.name for tensor in graph.initializer}
    after: set[str] = set()
    names = []
    for node in graph.node:  # ONNX stores them in an order in which they can run
        correlates = node.op_type == "Conv" and node.input[1] not in constants
        if correlates or after.intersection(node.input):
            after.update(node.output)
            names.append(node.name)
    return names


SIDE_SHARES = (0.1, 0.5)
LARGEST_SHIFT = 48
"""Pixels of the search crop; training shifts objects by as much (64) or less."""


def crop_pairs(source: str, count: int) -> list[CropPair]:
    """`count` template and search crops of boxes at random places of the frames of `source`.

    Ranges of activations depend on pictures, not on what is an object in them. Raises
    :class:`~siammaskpp_core.io.images.MediaError` when there are no frames.
    """
    random = np.random.default_rng(0)
    frames = open_frames(source)
    total = frames.count or count
    every, per_frame = max(total // count, 1), math.ceil(count / total)
    pairs = (
        crop_pair(image, random)
        for index, image in enumerate(frames)
        if index % every == 0
        for _ in range(per_frame)
    )
    return list(tqdm(islice(pairs, count), total=count, unit="pair", desc=frames.name, mininterval=0.5))


def crop_pair(image: Image, random: np.random.Generator) -> CropPair:
    """The crops of a box at a random place of `image`, the search crop not quite centred on it."""
    height, width = image.shape[:2]
    size = min(height, width) * random.uniform(*SIDE_SHARES, 2)
    x, y = random.uniform(size / 2, (width, height) - size / 2)
    side, padding = context_side(*size), mean_colour(image)
    right, down = random.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, 2) * side / TEMPLATE_SIZE
    return (
        CropWindow.template(x, y, side).cut(image, padding),
        CropWindow.search(x + right, y + down, side).cut(image, padding),
    )
