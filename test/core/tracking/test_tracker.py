"""The one-step tracker on an engine that sees what it is shown."""

import cv2
import numpy as np
import pytest
from colour_engine import response

from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.protocol import SearchOutput
from siammaskpp_core.tracking import ImageError, Tracker
from siammaskpp_core.tracking.boxes import overlap
from siammaskpp_core.tracking.config import TrackingConfig

SIAMFC = NetworkConfig(
    backbone="alexnet", levels=("conv5",), correlation="cross", mask="none", anchor_ratios=(1.0,)
)


class BrightEngine:
    """Finds the brightest 8x8 block of the search region and calls all bright pixels the target."""

    name = "bright"

    def encode_template(self, crops):
        return np.zeros((len(crops), 1, 5, 5), np.float32)

    def search(self, crops, kernels):
        outputs = []
        for crop in crops:
            grey = crop[..., 0].astype(np.float32)
            sums = cv2.blur(grey, (65, 65))[127 - 96 : 128 + 96 : 8, 127 - 96 : 128 + 96 : 8]
            answer = response({(2, *np.unravel_index(sums.argmax(), sums.shape)): 5.0})
            outputs.append(answer._replace(mask=grey[None]))
        return outputs

    def refine(self, outputs, cells):
        masks = []
        for output, (row, column) in zip(outputs, cells, strict=True):
            padded = np.pad(output.mask[0], 64)
            y, x = 127 + 64 + (row - 12) * 8, 127 + 64 + (column - 12) * 8
            masks.append((padded[y - 63 : y + 64, x - 63 : x + 64] > 128).astype(np.float32))
        return np.array(masks)


class Followed:
    """One target of the plain tracker: where it is searched for next, and the last result."""

    def __init__(self, tracker, image, box):
        self.tracker = tracker
        self.region, _, self.result = tracker.init(image, box)

    def step(self, image):
        ((self.region, self.result),) = self.tracker.step(image, [self.region])
        return self.result

    @property
    def place(self):
        return self.region.place


def scene(x: int, y: int, width: int = 40, height: int = 40) -> np.ndarray:
    image = np.full((240, 320, 3), 30, np.uint8)
    image[y : y + height, x : x + width] = 230
    return image


def test_the_tracker_follows_to_the_pixel():
    tracker = Tracker(BrightEngine())
    target = Followed(tracker, scene(100, 80), (100, 80, 40, 40))
    np.testing.assert_allclose(target.result.box_xywh, (100, 80, 40, 40), atol=1)
    for x, y in [(104, 82), (112, 90), (125, 95), (125, 110)]:
        result = target.step(scene(x, y))
        np.testing.assert_allclose(result.box_xywh, (x, y, 40, 40), atol=1)
        assert overlap(result.box_xywh, (x, y, 40, 40)) > 0.9
        assert result.mask.shape == (240, 320)
        assert set(np.unique(result.mask)) == {0, 255}
    assert set(tracker.timings) == {"crop", "search", "decode", "refine", "paste"}


class BrightScoreEngine(BrightEngine):
    """A network without boxes and masks that scores how well a 65 px block covers the bright object."""

    def search(self, crops, kernels):
        outputs = []
        for crop in crops:
            bright = (crop[..., 0] > 128).astype(np.float32)
            inside = cv2.blur(bright, (65, 65)) * 65**2
            match = inside / (65**2 + bright.sum() - inside)  # intersection over union
            cells = match[127 - 64 : 128 + 64 : 8, 127 - 64 : 128 + 64 : 8]
            outputs.append(SearchOutput(np.stack([np.zeros_like(cells), 12 * cells - 9])))
        return outputs

    def refine(self, outputs, cells):
        raise AssertionError("there are no masks")


def test_a_network_of_scores_follows_a_growing_target():
    tracker = Tracker(BrightScoreEngine(), SIAMFC, TrackingConfig(size_lr=1.0, window_influence=0.2))
    target = Followed(tracker, scene(100, 80), (100, 80, 40, 40))
    for side in range(40, 57):
        result = target.step(scene(100 + side, 80, side, side))
        assert result.mask is None
        assert overlap(result.box_xywh, (100 + side, 80, side, side)) > 0.6
    assert target.place.width == pytest.approx(56, rel=0.1)


def test_the_rotated_box_is_the_configured_one():
    image = scene(100, 80)
    image[97:103, 140:155] = 230  # a handle of 15 px, which the ellipse's box leaves out
    lengths = {}
    for kind in ("min_area", "ellipse"):
        tracker = Tracker(BrightEngine(), config=TrackingConfig(rotated_box=kind))
        result = Followed(tracker, image, (100, 80, 40, 40)).step(image)
        lengths[kind] = max(result.rotated_box.width, result.rotated_box.height)
    assert lengths == {"min_area": pytest.approx(55, abs=1), "ellipse": pytest.approx(40, abs=1)}


class BlurredMaskEngine(BrightEngine):
    """An engine whose masks are blurred and three pixels off."""

    def refine(self, outputs, cells):
        masks = super().refine(outputs, cells)
        return np.stack([cv2.GaussianBlur(np.roll(mask, 3, axis=1), (0, 0), 3) for mask in masks])


def test_the_masks_edges_are_those_of_the_image():
    image, boxes = scene(100, 80), {}
    for radius in (0, 4):
        tracker = Tracker(BlurredMaskEngine(), config=TrackingConfig(guided_filter_radius=radius))
        result = Followed(tracker, image, (100, 80, 40, 40)).step(image)
        boxes[radius] = result.box_xywh
    assert boxes[0][0] >= 102
    np.testing.assert_allclose(boxes[4], (100, 80, 40, 40), atol=1)


def test_the_box_is_fused_from_mask_and_decoded_box():
    image, boxes = scene(100, 80), {}
    for share in (0.0, 0.25, 1.0):
        tracker = Tracker(BrightEngine(), config=TrackingConfig(mask_box_weight=share))
        result = Followed(tracker, image, (95, 80, 50, 40)).step(image)
        boxes[share] = result.box_xywh
    np.testing.assert_allclose(boxes[1.0], (100, 80, 40, 40), atol=1)
    assert overlap(boxes[0.0], boxes[1.0]) < 0.95
    np.testing.assert_allclose(boxes[0.25], 0.75 * boxes[0.0] + 0.25 * boxes[1.0])


def test_the_first_image_teaches_how_the_box_is_drawn():
    frames = [scene(100 + 5 * step, 80) for step in range(6)]
    wide = (94, 80, 52, 40)  # the mask is 40 wide
    plain, fitted = (
        Tracker(BrightEngine(), config=TrackingConfig(mask_box_gain=share, size_correction=size))
        for share, size in ((0.0, 0.0), (3.0, 1.0))
    )
    widths = {}
    for tracker in (plain, fitted):
        target = Followed(tracker, frames[0], wide)
        assert target.place == (120, 100, 52, 40)
        assert target.result.box_xywh[2] == pytest.approx(52 if tracker is fitted else 40, abs=1)
        for frame in frames[1:]:
            result = target.step(frame)
        widths[tracker] = result.box_xywh[2]
        assert int(np.count_nonzero(result.mask.any(axis=0))) == pytest.approx(40, abs=1)
    assert widths == {plain: pytest.approx(40, abs=1), fitted: pytest.approx(52, abs=1)}
    (tried,) = fitted.try_boxes(frames[0], [wide])
    assert tried.box_xywh[2] == pytest.approx(40, abs=1)  # what is there, not what was drawn


@pytest.mark.parametrize(("slope", "offset", "score"), [(1, 0, 5.0), (0.5, -3, -0.5)])
def test_calibration_changes_the_confidence_and_not_the_place(slope, offset, score):
    image = scene(104, 82)
    tracker = Tracker(BrightEngine(), config=TrackingConfig(confidence_slope=slope, confidence_offset=offset))
    target = Followed(tracker, scene(100, 80), (100, 80, 40, 40))
    result = target.step(image)
    assert result.confidence == pytest.approx(1 / (1 + np.exp(-score)), rel=1e-4)
    other = Followed(Tracker(BrightEngine()), scene(100, 80), (100, 80, 40, 40))
    other.step(image)
    assert target.place == other.place


def test_targets_together_equal_targets_alone():
    frames = [scene(100 + 5 * i, 80) for i in range(4)]
    tracker = Tracker(BrightEngine())
    boxes = [(100, 80, 40, 40), (90, 70, 60, 60)]
    regions, both = [tracker.init(frames[0], box)[0] for box in boxes], []
    for frame in frames:
        steps = tracker.step(frame, regions)
        regions = [region for region, _ in steps]
        both.append([result for _, result in steps])
    for index, box in enumerate(boxes):
        alone = Followed(tracker, frames[0], box)
        for frame, results in zip(frames, both, strict=True):
            result = alone.step(frame)
            np.testing.assert_array_equal(result.mask, results[index].mask)
            np.testing.assert_array_equal(result.box_xywh, results[index].box_xywh)


def test_no_targets_no_results():
    assert Tracker(BrightEngine()).step(scene(0, 0), []) == []


def test_a_failing_engine_changes_no_target():
    tracker = Tracker(BrightEngine())
    target = Followed(tracker, scene(100, 80), (100, 80, 40, 40))
    before = target.place
    tracker.engine.refine = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        target.step(scene(120, 80))
    assert target.place == before


@pytest.mark.parametrize(
    "image",
    [np.zeros((10, 10), np.uint8), np.zeros((10, 10, 3), np.float32), np.zeros((0, 10, 3), np.uint8), None],
)
def test_wrong_images_are_refused(image):
    with pytest.raises(ImageError):
        Tracker(BrightEngine()).init(image, (1, 1, 5, 5))
