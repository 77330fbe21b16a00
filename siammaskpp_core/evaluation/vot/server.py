"""A tracker as a TraX server: the VOT toolkit starts `python -m siammaskpp_core.evaluation.vot.server`.

The TraX protocol runs over the standard streams. The server answers with a region of the kind with which the
toolkit initialised it: a mask for a mask, a rotated box for a polygon (VOT2015 to VOT2019), otherwise an
axis-aligned box. Baselines always answer with an axis-aligned box. An empty box stands for "not found".

Source: Cehovin, *TraX: The visual Tracking eXchange protocol and library*, Neurocomputing 2017.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import trax

from siammaskpp_core.arguments import add_options, options_from
from siammaskpp_core.arrays import Float64Array, Image, Mask
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.evaluation.baselines import OpenCvBaseline, make_baseline
from siammaskpp_core.evaluation.one_pass import OWN_NAME, LongTermAdapter
from siammaskpp_core.evaluation.vot.dataset import polygon_box, rotated_polygon
from siammaskpp_core.io.images import read_image
from siammaskpp_core.tracking import LongTermTracker, RotatedBox
from siammaskpp_core.tracking.boxes import mask_bounding_box

FORMATS = (trax.Region.RECTANGLE, trax.Region.POLYGON, trax.Region.MASK)


class Answer(NamedTuple):
    """The result of a tracker: x, y, w, h in pixels, and what else the tracker makes."""

    box_xywh: Float64Array
    rotated_box: RotatedBox | None = None
    mask: Mask | None = None
    confidence: float | None = None


class ServedTracker(Protocol):
    """One tracker behind the server. Images are uint8 [H, W, 3] BGR, boxes x, y, w, h in pixels."""

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """Forget the previous object and start to track the object in the box."""

    def update(self, image: Image) -> Answer | None:
        """Return where the object is in the next image; None where it is not found."""


class ServedSiamMask:
    """Our tracker with all of its results."""

    def __init__(self, tracker: LongTermTracker) -> None:
        self._tracker = LongTermAdapter(tracker)

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """See :class:`ServedTracker`."""
        self._tracker.init(image, box_xywh)

    def update(self, image: Image) -> Answer | None:
        """See :class:`ServedTracker`."""
        self._tracker.update(image)
        result = self._tracker.result
        return Answer(result.box_xywh, result.rotated_box, result.mask, result.confidence)


class ServedBaseline:
    """A baseline, which finds nothing but boxes."""

    def __init__(self, tracker: OpenCvBaseline) -> None:
        self._tracker = tracker

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """See :class:`ServedTracker`."""
        self._tracker.init(image, box_xywh)

    def update(self, image: Image) -> Answer | None:
        """See :class:`ServedTracker`."""
        box, _ = self._tracker.update(image)
        return None if box is None else Answer(box)


def serve(tracker: ServedTracker, name: str) -> None:
    """Answer the client on the standard streams until it quits."""
    region_type = trax.Region.RECTANGLE
    with trax.Server(FORMATS, [trax.Image.PATH], tracker_name=name) as server:
        while (request := server.wait()).type != trax.TraxStatus.QUIT:
            image = read_image(Path(request.image[trax.ImageChannel.COLOR].path()), as_stored=True)
            if request.type == trax.TraxStatus.INITIALIZE:
                ((region, _),) = request.objects
                region_type = region.type
                tracker.init(image, box_of(region))
                server.status([(region, {})])
            else:
                answer = tracker.update(image)
                confidence = None if answer is None else answer.confidence
                properties = {} if confidence is None else {"confidence": f"{confidence:.6f}"}
                server.status([(region_of(answer, region_type), properties)])


def box_of(region: trax.Region) -> Float64Array:
    """Return the box (x, y, w, h in pixels) from which to track the object in `region`."""
    if region.type == trax.Region.POLYGON:
        return polygon_box(np.array(list(region)))
    if region.type == trax.Region.MASK:
        box = mask_bounding_box(region.array(normalize=True))
        return np.zeros(4) if box is None else box
    return np.array(region.bounds(), dtype=np.float64)


def region_of(answer: Answer | None, region_type: str) -> trax.Region:
    """Return an answer as a region of the given type, or as a rectangle if it has no such region."""
    if answer is None:
        return trax.Rectangle.create(0, 0, 0, 0)
    if region_type == trax.Region.MASK and answer.mask is not None:
        return trax.Mask.create(np.ascontiguousarray(answer.mask > 0, dtype=np.uint8))
    if region_type == trax.Region.POLYGON and answer.rotated_box is not None:
        return trax.Polygon.create([(float(x), float(y)) for x, y in rotated_polygon(answer.rotated_box)])
    return trax.Rectangle.create(*map(float, answer.box_xywh))


def open_tracker(
    name: str,
    nanotrack_folder: Path | None,
    model_folder: Path | None,
    engine: EngineOptions,
    rotated_box: str | None,
) -> ServedTracker:
    """Return our tracker, or the baseline `name`, for which the other parameters but the first are ignored.

    Raises a user error when it cannot run.
    """
    if name != OWN_NAME:
        return ServedBaseline(make_baseline(name, nanotrack_folder))
    return ServedSiamMask(LongTermTracker(load_tracker(model_folder, engine, rotated_box)))


def main() -> None:
    """Serve the tracker that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m siammaskpp_core.evaluation.vot.server")
    parser.add_argument("--tracker", default=OWN_NAME, help=f"{OWN_NAME} (default), csrt, kcf or nanotrack")
    parser.add_argument(
        "--nanotrack", type=Path, metavar="DIR", help="folder of NanoTrack V2's two ONNX files"
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="model folder (default: the package's model)"
    )
    parser.add_argument("--rotated-box", metavar="KIND", help="min_area or ellipse")
    add_options(parser, EngineOptions)
    options = parser.parse_args()
    engine = options_from(EngineOptions, options)
    tracker = open_tracker(options.tracker, options.nanotrack, options.model, engine, options.rotated_box)
    serve(tracker, options.tracker)


if __name__ == "__main__":
    main()
