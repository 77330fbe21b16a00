"""A tracker as a TraX server, which the VOT toolkit starts and sends frames to.

TraX (Cehovin, *TraX: The visual Tracking eXchange protocol and library*, Neurocomputing 2017) runs over
the standard streams. The answers are regions of the kind that the toolkit began with: a mask for a mask,
a rotated box for a polygon (VOT2015 to VOT2019), else an upright box. Trackers of boxes always answer with
one. An empty box stands for "not found".
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import trax

from siammaskpp_core.arguments import options_from
from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.cli.arguments import add_model
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.evaluation.baselines import LongTermAdapter, OpenCvBaseline, make_baseline
from siammaskpp_core.evaluation.vot.dataset import polygon_box, rotated_polygon
from siammaskpp_core.io.images import read_image
from siammaskpp_core.tracking import LongTermTracker, RotatedBox
from siammaskpp_core.tracking.boxes import mask_bounding_box

OWN_NAME = LongTermAdapter.name
FORMATS = (trax.Region.RECTANGLE, trax.Region.POLYGON, trax.Region.MASK)


class Answer(NamedTuple):
    """What a tracker found: an upright box (x, y, w, h in pixels), and more if it can."""

    box_xywh: Float64Array
    rotated_box: RotatedBox | None = None
    mask: Image | None = None
    score: float | None = None


class ServedTracker(Protocol):
    """One tracker behind the server. Images are HxWx3 uint8 BGR, boxes x, y, w, h in pixels."""

    def init(self, image: Image, box_xywh: Float64Array) -> None:
        """Forget the previous object and take the one in the box."""

    def update(self, image: Image) -> Answer | None:
        """Where the object is; None where it is not found."""


class ServedSiamMask:
    """Our tracker with all that it publishes."""

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
    """A tracker of boxes."""

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
    """Answer the client on the standard streams until it says goodbye."""
    asked = trax.Region.RECTANGLE
    with trax.Server(FORMATS, [trax.Image.PATH], tracker_name=name) as server:
        while (request := server.wait()).type != trax.TraxStatus.QUIT:
            image = read_image(Path(request.image[trax.ImageChannel.COLOR].path()))
            if request.type == trax.TraxStatus.INITIALIZE:
                ((region, _),) = request.objects
                asked = region.type
                tracker.init(image, box_of(region))
                server.status([(region, {})])
            else:
                answer = tracker.update(image)
                score = None if answer is None else answer.score
                properties = {} if score is None else {"confidence": f"{score:.6f}"}
                server.status([(region_of(answer, asked), properties)])


def box_of(region: trax.Region) -> Float64Array:
    """The upright box (x, y, w, h in pixels) from which to track the object in `region`."""
    if region.type == trax.Region.POLYGON:
        return polygon_box(np.array(list(region)))
    if region.type == trax.Region.MASK:
        hull = mask_bounding_box(region.array(normalize=True))
        return np.zeros(4) if hull is None else hull
    return np.array(region.bounds(), dtype=np.float64)


def region_of(answer: Answer | None, asked: str) -> trax.Region:
    """An answer as the kind of region that was asked for, or else as an upright box."""
    if answer is None:
        return trax.Rectangle.create(0, 0, 0, 0)
    if asked == trax.Region.MASK and answer.mask is not None:
        return trax.Mask.create(np.ascontiguousarray(answer.mask > 0, dtype=np.uint8))
    if asked == trax.Region.POLYGON and answer.rotated_box is not None:
        return trax.Polygon.create([(float(x), float(y)) for x, y in rotated_polygon(answer.rotated_box)])
    return trax.Rectangle.create(*map(float, answer.box_xywh))


def main() -> None:
    """Serve the tracker that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m siammaskpp_core.evaluation.vot.server")
    parser.add_argument("--tracker", default=OWN_NAME, help=f"{OWN_NAME} (default), csrt, kcf or nanotrack")
    parser.add_argument("--nanotrack", type=Path, metavar="DIR", help="folder of NanoTrack V2's files")
    add_model(parser)
    parser.add_argument("--rotated-box", metavar="KIND")
    options = parser.parse_args()
    tracker: ServedTracker
    if options.tracker == OWN_NAME:
        loaded = load_tracker(options.model, options_from(EngineOptions, options), options.rotated_box)
        tracker = ServedSiamMask(LongTermTracker(loaded))
    else:
        tracker = ServedBaseline(make_baseline(options.tracker, options.nanotrack))
    serve(tracker, options.tracker)


if __name__ == "__main__":
    main()
