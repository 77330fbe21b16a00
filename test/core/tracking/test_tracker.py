"""Tracking geometry to the pixel, and the tracker on an engine that sees what it is shown."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.protocol import SearchOutput
from siammaskpp_core.tracking import BoxError, ImageError, LongTermTracker, Tracker
from siammaskpp_core.tracking.anchors import anchor_grid, anchor_sizes, cell_offsets, decode, encode
from siammaskpp_core.tracking.boxes import checked_box, mask_bounding_box, overlap
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.crops import CropWindow, context_side
from siammaskpp_core.tracking.decoding import AnchorDecoder, ScaleDecoder, make_decoder
from siammaskpp_core.tracking.masks import PixelRect, mask_window, outline, paste_mask

RATIOS = NetworkConfig().anchor_ratios


def test_anchor_sizes_are_the_published_ones():
    np.testing.assert_array_equal(
        anchor_sizes(RATIOS, 8.0), [[104, 32], [88, 40], [64, 64], [40, 80], [32, 96]]
    )


def test_anchor_grid_is_centred():
    grid = anchor_grid(RATIOS, 8.0)
    assert grid.shape == (4, 5, 25, 25)
    assert tuple(grid[:2, 0, 12, 12]) == (0, 0)
    assert tuple(grid[:2, 3, 0, 24]) == (96, -96)
    assert cell_offsets().sum() == 0


def test_encode_then_decode_gives_the_boxes_back():
    anchors = anchor_grid(RATIOS, 8.0)
    boxes = np.random.default_rng(0).uniform(5, 100, anchors.shape).astype(np.float32)
    np.testing.assert_allclose(decode(encode(boxes, anchors), anchors), boxes, rtol=1e-4)


def test_decode_does_not_overflow_but_keeps_nan():
    anchors = anchor_grid(RATIOS, 8.0)
    offsets = np.zeros_like(anchors)
    offsets[2:, 0] = 200
    offsets[2:, 1] = -200
    offsets[2, 2] = np.nan
    boxes = decode(offsets, anchors)
    np.testing.assert_allclose(boxes[2:, :2, 0, 0], [[104 * 62.5, 88 / 62.5], [32 * 62.5, 40 / 62.5]])
    assert np.isnan(boxes[2, 2]).all()


def test_context_side_by_hand():
    assert context_side(30, 40) == pytest.approx(np.sqrt(65 * 75))
    assert context_side(30, 40, context=0.0) == pytest.approx(np.sqrt(30 * 40))


def test_overlap_by_hand():
    assert overlap([0, 0, 2, 2], [1, 1, 2, 2]) == pytest.approx(1 / 7)
    assert overlap([0, 0, 2, 2], [5, 5, 1, 1]) == 0
    assert overlap([0, 0, 0, 0], [0, 0, 0, 0]) == 0


@pytest.mark.parametrize("size", [127, 255])
def test_crop_at_scale_one_copies_pixels(size):
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    # An odd square is centred on a pixel's middle.
    window = CropWindow(200.5, 150.5, size, size)
    half = size // 2
    crop = window.cut(image, (0, 0, 0))
    np.testing.assert_array_equal(crop, image[150 - half : 151 + half, 200 - half : 201 + half])


def test_crop_pads_with_the_given_colour():
    image = np.full((50, 50, 3), 200, np.uint8)
    crop = CropWindow(0.0, 0.0, 127, 127).cut(image, (10, 20, 30))
    assert tuple(crop[0, 0]) == (10, 20, 30)
    assert tuple(crop[100, 100]) == (200, 200, 200)


def test_crop_into_a_kept_buffer_allocates_nothing():
    image = np.zeros((50, 50, 3), np.uint8)
    buffer = np.empty((255, 255, 3), np.uint8)
    assert np.shares_memory(CropWindow.search(20, 20, 30).cut(image, (1, 2, 3), out=buffer), buffer)
    assert (buffer[0, 0] == (1, 2, 3)).all()


@pytest.mark.parametrize("scale", [1.0, 2.0, 0.5])
@pytest.mark.parametrize("cell", [(12, 12), (9, 15)])
def test_a_mask_comes_back_to_the_pixel(scale, cell):
    """A rectangle drawn in the image, seen through the crop, pasted back: the same pixels."""
    window = CropWindow(160.5, 120.5, 255 / scale, 255)
    truth = np.zeros((240, 320), np.uint8)
    y = 120 + round((cell[0] - 12) * 8 / scale)
    x = 160 + round((cell[1] - 12) * 8 / scale)
    truth[y - 10 : y + 11, x - 16 : x + 17] = 255
    in_crop = window.cut(truth, (0,)).astype(np.float32) / 255
    row, column = 127 + (cell[0] - 12) * 8, 127 + (cell[1] - 12) * 8
    probability = in_crop[row - 63 : row + 64, column - 63 : column + 64]
    mask, region = paste_mask(probability, mask_window(window, cell), truth.shape, 0.49)
    shape = outline(mask, region)
    if scale >= 1:
        np.testing.assert_array_equal(mask, truth)
        np.testing.assert_array_equal(shape.box_xywh, mask_bounding_box(truth))
    else:  # the crop has half the pixels
        np.testing.assert_allclose(shape.box_xywh, mask_bounding_box(truth), atol=2)


def test_a_mask_at_the_border_is_cut():
    probability = np.ones((127, 127), np.float32)
    mask, region = paste_mask(probability, mask_window(CropWindow(0, 0, 255, 255), (12, 12)), (100, 100), 0.5)
    assert region == PixelRect(0, 0, 64, 64)
    assert mask[:63, :63].all()
    assert not mask[64:].any()


def test_masks_of_few_pixels_are_pasted():
    """Down to one pixel, wherever it lies."""
    rng = np.random.default_rng(0)
    sizes = set()
    for _ in range(500):
        probability = np.zeros((127, 127), np.float32)
        probability[tuple(rng.integers(0, 127, 2))] = 1
        window = CropWindow(*rng.uniform(-5, 45, 2).tolist(), float(np.exp(rng.uniform(0, 6))), 255)
        mask, region = paste_mask(probability, mask_window(window, (12, 12)), (40, 40), 0.5)
        sizes.add((region.right - region.left, region.bottom - region.top))
        part = mask[region.top : region.bottom, region.left : region.right]
        assert np.count_nonzero(mask) == np.count_nonzero(part)
    assert (1, 1) in sizes


def test_a_mask_outside_the_image_is_empty():
    probability = np.ones((127, 127), np.float32)
    mask, region = paste_mask(
        probability, mask_window(CropWindow(-500, -500, 255, 255), (12, 12)), (100, 100), 0.5
    )
    assert not mask.any()
    assert outline(mask, region) is None


@pytest.mark.parametrize("scale", [0.4, 1.7])
def test_a_mask_is_pasted_only_where_it_can_be_and_as_if_everywhere(scale):
    """Against bilinear interpolation at every pixel of the image, in double precision."""
    window, (row, column) = CropWindow(150.3, 130.8, 255 / scale, 255), (10, 15)
    y, x = np.mgrid[:127, :127]
    probability = (1 / (1 + np.exp(np.hypot(x - 40, 1.5 * (y - 80)) - 20))).astype(np.float32)
    mask, region = paste_mask(probability, mask_window(window, (row, column)), (240, 320), 0.5)

    center_x, center_y = 150.3 + (column - 12) * 8 / scale, 130.8 + (row - 12) * 8 / scale
    columns = (np.arange(320) + 0.5 - center_x) * scale + 63
    rows = (np.arange(240) + 0.5 - center_y) * scale + 63
    padded = np.pad(probability.astype(np.float64), 1)
    places = np.arange(-1, 128)
    along_x = np.stack([np.interp(columns, places, line, 0, 0) for line in padded])
    expected = np.stack([np.interp(rows, places, line, 0, 0) for line in along_x.T]).T
    clear = np.abs(expected - 0.5) > 0.05  # OpenCV rounds places to 1/32 of a pixel
    np.testing.assert_array_equal(mask[clear] > 0, expected[clear] > 0.5)
    assert (mask[~clear] > 0).sum() == pytest.approx((expected[~clear] > 0.5).sum(), abs=3)
    # The target has 41 x 27 of the mask's pixels; some more may be touched by interpolation.
    assert region.right - region.left <= 46 / scale + 2
    assert region.bottom - region.top <= 32 / scale + 2


@pytest.mark.parametrize("cell", [(12, 12), (8, 15)])
def test_a_masks_window_is_its_part_of_the_search_crop(cell):
    image = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    window = CropWindow(250.5, 200.5, 255, 255)
    crop = window.cut(image, (0, 0, 0))
    row, column = 127 + (cell[0] - 12) * 8, 127 + (cell[1] - 12) * 8
    np.testing.assert_array_equal(
        mask_window(window, cell).cut(image, (0, 0, 0)), crop[row - 63 : row + 64, column - 63 : column + 64]
    )


def test_nothing_is_touched_by_a_mask_below_the_threshold():
    probability = np.full((127, 127), 0.4, np.float32)
    mask, region = paste_mask(
        probability, mask_window(CropWindow(50, 50, 255, 255), (12, 12)), (100, 100), 0.5
    )
    assert not mask.any()
    assert region == PixelRect(0, 0, 0, 0)


def test_the_outline_is_the_largest_part():
    mask = np.zeros((50, 60), np.uint8)
    mask[5:9, 5:9] = 255
    mask[20:40, 10:50] = 255
    np.testing.assert_array_equal(outline(mask, PixelRect(0, 0, 60, 50)).box_xywh, [10, 20, 40, 20])


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0, 0, 0, 10), "empty"),
        ((0, 0, 10, -1), "empty"),
        ((700, 10, 20, 20), "outside the 640x480 image"),
        ((-30, 10, 20, 20), "outside"),
        ((float("nan"), 0, 10, 10), "not finite"),
        ((0, 0, float("inf"), 10), "not finite"),
        ((0, 0, 10), "not four numbers"),
        ("1,2,3,4", "not four numbers"),
        ((10, 10, 1, 1), "less than 2x2"),
        ((639.5, 10, 20, 20), "less than 2x2"),
    ],
)
def test_wrong_boxes_are_refused_with_a_reason(box, message):
    with pytest.raises(BoxError, match=message):
        checked_box(box, 640, 480)


def test_a_box_over_the_border_is_cut():
    np.testing.assert_array_equal(checked_box((-10, 470, 30, 30), 640, 480), [0, 470, 20, 10])


def response(peaks: dict[tuple[int, int, int], float]) -> SearchOutput:
    """Zero offsets, and the given (anchor, row, column) logits of the target class."""
    cls = np.zeros((10, 25, 25), np.float32)
    cls[5:] = -6
    for (anchor, row, column), logit in peaks.items():
        cls[5 + anchor, row, column] = logit
    return SearchOutput(cls, np.zeros((20, 25, 25), np.float32))


def test_decoder_takes_the_best_anchor():
    best = AnchorDecoder(NetworkConfig()).best([response({(2, 10, 14): 4.0})], (64, 64), TrackingConfig())
    assert best.cell == (10, 14)
    np.testing.assert_array_equal(best.center_xy, [16, -16])
    np.testing.assert_array_equal(best.size_wh, [64, 64])
    assert best.probability == pytest.approx(1 / (1 + np.exp(-4)))
    assert best.penalty == pytest.approx(1.0)


def test_the_window_prefers_the_near_one_of_two_equals():
    peaks = {(2, 12, 12): 2.0, (2, 3, 3): 2.2}
    decoder = AnchorDecoder(NetworkConfig())
    assert decoder.best([response(peaks)], (64, 64), TrackingConfig()).cell == (12, 12)
    assert decoder.best([response(peaks)], (64, 64), TrackingConfig(window_influence=0.0)).cell == (3, 3)


def test_the_penalty_prefers_the_known_shape():
    peaks = {(0, 12, 12): 2.0, (4, 12, 12): 2.0}  # wide, tall
    decoder = AnchorDecoder(NetworkConfig())
    assert decoder.best([response(peaks)], (104, 32), TrackingConfig()).size_wh[0] == 104
    assert decoder.best([response(peaks)], (32, 96), TrackingConfig()).size_wh[0] == 32


def test_a_network_that_answers_nan_is_an_error_not_a_box():
    output = response({})
    output.cls[7, 3, 3] = np.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        AnchorDecoder(NetworkConfig()).best([output], (64, 64), TrackingConfig())


SIAMFC = NetworkConfig(
    backbone="alexnet", levels=("conv5",), correlation="cross", mask="none", anchor_ratios=(1.0,)
)


def scores(peak: float, row: int = 8, column: int = 8) -> SearchOutput:
    cls = np.zeros((2, 17, 17), np.float32)
    cls[1] = -6
    cls[1, row, column] = peak
    return SearchOutput(cls)


def test_a_network_of_scores_finds_place_and_scale():
    """The best view is the wide one: its target fills less of the crop, so it has grown."""
    decoder = make_decoder(SIAMFC)
    assert isinstance(decoder, ScaleDecoder)
    assert decoder.scales[0] < decoder.scales[1] == 1 < decoder.scales[2]
    config = TrackingConfig(window_influence=0.0)
    best = decoder.best([scores(1.0), scores(2.0), scores(4.0, 6, 9)], (50, 60), config)
    assert (best.scale_index, best.cell) == (2, (6, 9))
    np.testing.assert_allclose(best.center_xy, [8, -16], atol=0.5)
    np.testing.assert_array_equal(best.size_wh, [50, 60])
    assert best.probability == pytest.approx(1 / (1 + np.exp(-4)))


def test_scales_are_kept_unless_another_is_clearly_better():
    best = make_decoder(SIAMFC).best([scores(2.05), scores(2.0), scores(2.0)], (50, 60), TrackingConfig())
    assert best.scale_index == 1


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
        self.region, self.result = tracker.init(image, box)

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
    """The same without boxes and masks: the score is how well a 65 px block covers the bright object."""

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
    """Its masks are blurred and three pixels off."""

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


def test_the_box_lies_between_the_masks_and_the_decoded_one():
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
def test_the_score_is_calibrated_and_the_target_followed_as_before(slope, offset, score):
    image = scene(104, 82)
    tracker = Tracker(BrightEngine(), config=TrackingConfig(confidence_slope=slope, confidence_offset=offset))
    target = Followed(tracker, scene(100, 80), (100, 80, 40, 40))
    result = target.step(image)
    assert result.confidence == pytest.approx(1 / (1 + np.exp(-score)), rel=1e-4)
    other = Followed(Tracker(BrightEngine()), scene(100, 80), (100, 80, 40, 40))
    other.step(image)
    assert target.place == other.place


def test_the_score_is_taken_relative_to_what_is_usual_for_the_target():
    class Fading(BrightEngine):
        logit = 8.0

        def search(self, crops, kernels):
            return [
                output._replace(cls=output.cls * self.logit / 5) for output in super().search(crops, kernels)
            ]

    engine, image = Fading(), scene(100, 80)
    config = TrackingConfig(confidence_slope=0.5, confidence_offset=-1, baseline_weight=0.25)
    tracker = LongTermTracker(Tracker(engine, config=config))

    def scores(logits):
        for engine.logit in logits:
            (result,) = tracker.step(image, [target], 0)
            yield -np.log(1 / result.confidence - 1)

    target, first = tracker.init(image, (100, 80, 40, 40))
    assert -np.log(1 / first.confidence - 1) == pytest.approx(2, abs=1e-3)
    assert list(scores([8, 8])) == pytest.approx([2, 2], abs=1e-3)  # 0.5 * (8 - 0.25 * 8) - 1
    usual = 8 + 0.1 * (6 - 8)
    assert list(scores([6, 1])) == pytest.approx([1, 0.5 * (1 - 0.25 * usual) - 1], abs=1e-3)
    # What is not believed to be the target says nothing of it.
    assert list(scores([8])) == pytest.approx([0.5 * (8 - 0.25 * usual) - 1], abs=1e-3)


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
