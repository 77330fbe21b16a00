"""Static int8 quantisation of a model folder: Q/DQ graphs, which every runtime reads."""

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
from siammaskpp_core.engines.difference import RelativeRms, check_differences
from siammaskpp_core.engines.graph_engine import GraphEngine
from siammaskpp_core.engines.onnx_runtime import OnnxRuntimeEngine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.io.video import open_frames
from siammaskpp_core.model.folder import ModelError, read_model, write_description
from siammaskpp_core.network.config import TEMPLATE_SIZE
from siammaskpp_core.network.protocol import SearchOutput
from siammaskpp_core.tracking.crops import CropWindow, context_side, mean_colour

CropPair: TypeAlias = tuple[Image, Image]
"""A template crop, BGR [127, 127, 3], and a search crop, BGR [255, 255, 3], of one object."""

TOLERANCE = 0.2
"""Largest root mean square difference to the float model, relative to that of its outputs."""
CHECK_EVERY = 4
"""Every fourth pair of crops serves the check, the others the calibration."""
BOX_SIDES = (0.1, 0.5)
"""Range of the sides of random boxes, relative to the shorter side of the image."""
MAX_SHIFT_PX = 48
"""Largest shift of the box in the search crop; training shifts objects by up to 64 px."""


class QuantisationError(UserError):
    """A model cannot be quantised; the message says what is missing."""


def quantise_model(
    model_folder: Path, output: Path, crops: Sequence[CropPair], symmetric: bool = False
) -> dict[str, float]:
    """Quantise a float model folder to int8, write it to the new or empty folder `output`, and check it.

    Weights become int8 per output channel, activations uint8 with a zero point; biases stay float. With
    `symmetric` activations are int8 with zero point 0, the only form that TensorRT reads. It is slower on a
    CPU, where uint8 lets a convolution include the following ReLU. The template graph stays in float, since
    it runs once per target, and so do the correlations of the search graph and all that follows them.
    The ranges of activations are measured on `crops`, of which one in :data:`CHECK_EVERY` is kept for the
    check.

    Returns the relative root mean square differences to the float model: of scores (cls), boxes (loc) and
    masks (mask). Raises :class:`~siammaskpp_core.engines.difference.DifferenceError` and writes nothing when
    one exceeds :data:`TOLERANCE`, :class:`QuantisationError` for too few crops, and :class:`ModelError` for a
    folder that is not a float model.
    """
    model = read_model(model_folder)
    if model.precision != "fp32":
        raise ModelError(f"{model_folder} is quantised already; give the float model")
    if len(crops) < CHECK_EVERY:
        raise QuantisationError(f"{len(crops)} pairs of crops are too few; give at least {CHECK_EVERY}")
    engine = OnnxRuntimeEngine(model, EngineOptions())
    calibration = [pair for index, pair in enumerate(crops) if index % CHECK_EVERY]
    with Output(output, is_folder=True) as work:
        for graph in model.graphs:
            source, target = model.graph(graph), work / f"{graph}.onnx"
            if graph == "template":
                shutil.copyfile(source, target)
            else:
                _quantise(source, target, _CalibrationInputs(engine, graph, calibration), symmetric)
        write_description(work, model.network, model.tracking, "int8", model.license)
        quantised = OnnxRuntimeEngine(read_model(work), EngineOptions())
        return check(engine, quantised, crops[::CHECK_EVERY])


def check(engine: GraphEngine, quantised: GraphEngine, crops: Sequence[CropPair]) -> dict[str, float]:
    """The relative RMS differences of the outputs of `quantised` to those of `engine`.

    See :func:`quantise_model` for the keys and errors.
    """
    sums: dict[str, RelativeRms] = defaultdict(RelativeRms)
    for pair in crops:
        reference, cell = _search(engine, pair)
        output, _ = _search(quantised, pair)
        sums["cls"].add(output.cls, reference.cls)
        if output.loc is not None and reference.loc is not None:
            sums["loc"].add(output.loc, reference.loc)
        if reference.mask is not None:
            sums["mask"].add(quantised.refine([output], [cell]), engine.refine([reference], [cell]))
    differences = {name: rms.value for name, rms in sums.items()}
    check_differences(
        differences,
        TOLERANCE,
        f"{quantised.name} in int8 differs from float by more than {TOLERANCE:g}",
        remedy="calibrate with more images, or with images like those that the network will see",
    )
    return differences


class _CalibrationInputs(CalibrationDataReader):  # type: ignore[misc]
    """The inputs of one graph, computed by the float model from pairs of crops."""

    def __init__(self, engine: GraphEngine, graph: str, crops: Sequence[CropPair]) -> None:
        self._inputs = self._compute(engine, graph, crops)

    def get_next(self) -> dict[str, Any] | None:
        """The next inputs by name; None at the end."""
        return next(self._inputs, None)

    @staticmethod
    def _compute(engine: GraphEngine, graph: str, crops: Sequence[CropPair]) -> Iterator[dict[str, Any]]:
        for pair in tqdm(crops, unit="pair", desc=graph, mininterval=0.5):
            if graph == "search":
                yield {"pixels": pair[1][None], "kernels": engine.encode_template(pair[0][None])}
            else:
                yield engine.refine_inputs(*_search(engine, pair))


def _search(engine: GraphEngine, pair: CropPair) -> tuple[SearchOutput, tuple[int, int]]:
    """The output for a pair of crops, and the response cell (row, column) with the largest logit."""
    template, search = pair
    (output,) = engine.search(search[None], [engine.encode_template(template[None])[0]])
    anchors = len(output.cls) // 2
    logits = (output.cls[anchors:] - output.cls[:anchors]).max(axis=0)
    row, column = np.unravel_index(int(logits.argmax()), logits.shape)
    return output, (int(row), int(column))


def _quantise(path: Path, output: Path, inputs: _CalibrationInputs, symmetric: bool) -> None:
    model = onnx.load(path)
    _constants_to_initializers(model.graph)
    _gather_kernels(model.graph)
    _drop_unused(model.graph)
    # The graph is prepared: norms were folded by the export, constants above. This keeps the quantiser from
    # advising it.
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    quantize_static(
        model,
        output,
        inputs,
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
            # Quantise inputs only: the range before a ReLU is far wider than after it.
            "OpTypesToExcludeOutputQuantization": ["Conv", "Add"],
        },
    )


def _constants_to_initializers(graph: Any) -> None:
    """Turn Constant nodes into initializers, the only constants that the quantiser reads."""
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        tensor = node.attribute[0].t
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)


def _gather_kernels(graph: Any) -> None:
    """Split the kernels by Gather: OpenVINO cannot read int8 convolutions whose kernel comes from a Split."""
    sizes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    parts = {"kernels"}
    for node in [node for node in graph.node if node.op_type == "Split"]:
        if node.input[0] not in parts:
            continue
        position = list(graph.node).index(node)
        graph.node.remove(node)
        ends = np.cumsum(sizes[node.input[1]])
        for start, end, name in zip([0, *ends[:-1]], ends, node.output, strict=True):
            indices = numpy_helper.from_array(np.arange(start, end), f"{name}/indices")
            graph.initializer.append(indices)
            gather = helper.make_node("Gather", [node.input[0], indices.name], [name], name=name, axis=1)
            graph.node.insert(position, gather)
        parts.update(node.output)


def _drop_unused(graph: Any) -> None:
    """Remove the initializers that no node reads."""
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _kept_in_float(graph: Any) -> list[str]:
    """Names of the correlations (convolutions with a computed kernel) and of all nodes after them."""
    constants = {tensor.name for tensor in graph.initializer}
    after: set[str] = set()
    names = []
    for node in graph.node:  # ONNX stores nodes in topological order
        correlates = node.op_type == "Conv" and node.input[1] not in constants
        if correlates or after.intersection(node.input):
            after.update(node.output)
            names.append(node.name)
    return names


def crop_pairs(source: str, count: int, left_out: list[str] | None = None) -> list[CropPair]:
    """`count` pairs of crops around boxes at random places in the frames of `source`.

    Boxes need not lie on objects: the ranges of activations depend on the images. `left_out` receives a
    message for each frame that cannot be read. Raises
    :class:`~siammaskpp_core.io.images.MediaError` when `source` has no frames.
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
    made = list(tqdm(islice(pairs, count), total=count, unit="pair", desc=frames.name, mininterval=0.5))
    if left_out is not None:
        left_out += frames.left_out
    return made


def crop_pair(image: Image, random: np.random.Generator) -> CropPair:
    """The crops around a random box in `image`; the search crop is shifted from the box."""
    height, width = image.shape[:2]
    size = min(height, width) * random.uniform(*BOX_SIDES, 2)
    x, y = random.uniform(size / 2, (width, height) - size / 2)
    side, padding = context_side(*size), mean_colour(image)
    right, down = random.uniform(-MAX_SHIFT_PX, MAX_SHIFT_PX, 2) * side / TEMPLATE_SIZE
    return (
        CropWindow.template(x, y, side).cut(image, padding),
        CropWindow.search(x + right, y + down, side).cut(image, padding),
    )
