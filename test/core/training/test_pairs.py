"""Training pairs: repeatable draws, consistent targets, augmentation, and the choice of negatives."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.config import ConfigError, from_mapping
from siammaskpp_core.data.sources import open_source
from siammaskpp_core.data.sources.base import Sample
from siammaskpp_core.io.images import MediaError
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.tracking.decoding import anchor_grid, decode
from siammaskpp_core.training import augmentation, random_crops
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.pairs import PairDataset
from siammaskpp_core.training.random_crops import blend, random_background

SMALL = NetworkConfig(head_channels=8, mask_channels=16, refine_channels=(8, 4, 2))
ANCHORS = anchor_grid(SMALL.anchor_ratios, SMALL.anchor_scale)


def config(**changes):
    values = {"steps": 4, "batch_size": 2, "sources": ["masks:stills"], "source_weights": [1.0], **changes}
    return from_mapping(TrainingConfig, values)


def test_pairs_are_repeatable_and_consistent(training_data):
    sources = [open_source("masks:stills", training_data, 0)]
    dataset = PairDataset(sources, config(negative_probability=0.0, copy_paste_probability=0.0), SMALL)
    seen = 0
    for index in range(6):
        pair = dataset[index]
        for one, two in zip(pair, dataset[index], strict=True):
            np.testing.assert_array_equal(one, two)
        positive = np.argwhere(pair.labels == 1)
        assert len(positive)
        # The box that the offsets tell lies around the mask that the cells tell.
        anchor, row, column = positive[0]
        cx, cy, w, h = decode(pair.offsets[:, anchor, row, column], ANCHORS[:, anchor, row, column])
        for (cell_row, cell_column), mask in zip(pair.cells, pair.masks, strict=True):
            if cell_row < 0 or not mask.any():
                continue
            rows, columns = np.nonzero(mask)
            top = (cell_row - 12) * 8 + rows.min() - 63
            left = (cell_column - 12) * 8 + columns.min() - 63
            assert top >= cy - h / 2 - 1
            assert left >= cx - w / 2 - 1
            seen += 1
    assert seen


def test_sampled_anchors_and_networks_of_scores(training_data):
    sources = [open_source("masks:stills", training_data, 0)]
    options = config(negative_probability=0.0, copy_paste_probability=0.0, anchor_sampling="random")
    labels = PairDataset(sources, options, SMALL)[0].labels
    assert (labels >= 0).sum() == 64
    assert 0 < (labels == 1).sum() <= 16
    scores = NetworkConfig(
        backbone="alexnet", correlation="cross", levels=("conv5",), mask="none", anchor_ratios=(1.0,)
    )
    pair = PairDataset(sources, config(negative_probability=0.0, copy_paste_probability=0.0), scores)[0]
    assert pair.labels.shape == (1, 17, 17)
    assert (pair.labels == 1).sum() in range(9, 15)  # cells within 16 px of a point: 4 pi on average


def test_blend_by_hand():
    front, back = np.full((1, 3, 3), 200, np.uint8), np.full((1, 3, 3), 100, np.uint8)
    assert blend(front, back, np.array([[0, 51, 255]], np.uint8))[0, :, 0].tolist() == [100, 120, 200]


def test_background_fills_the_crop():
    picture = np.random.default_rng(0).integers(1, 256, (60, 90, 3), dtype=np.uint8)
    assert random_background(picture, 127, np.random.default_rng(0)).min() > 0


def test_large_changes_of_scale(training_data):
    """A probability of 1 gives three times the usual change of scale."""
    sources = [open_source("masks:stills", training_data, 0)]

    def spread(share):
        options = config(
            negative_probability=0.0,
            copy_paste_probability=0.0,
            search_scale_jitter=0.2,
            large_scale_probability=share,
            aspect_ratio_jitter=0.0,
        )
        dataset = PairDataset(sources, options, SMALL)
        widths = []
        for index in range(40):
            pair = dataset[index]
            anchor, row, column = np.argwhere(pair.labels == 1)[0]
            box = decode(pair.offsets[:, anchor, row, column], ANCHORS[:, anchor, row, column])
            widths.append(np.sqrt(box[2] * box[3]))
        return np.log(max(widths) / min(widths))

    assert spread(0.0) < 0.45  # from -0.2 to 0.2, and what a turned mask's hull adds
    assert 0.8 < spread(1.0) < 1.3


class Drawn:
    """Scenes of two discs each; every request is appended to `log` as (method, name, scene).

    With `related`, objects of the same number have the same category in all scenes.
    """

    def __init__(self, name, log, scenes=3, masked=True, radius=20, related=False):
        self.name, self.log, self.scenes, self.masked, self.radius = name, log, scenes, masked, radius
        self.related = related

    def __len__(self):
        return 2 * self.scenes

    def scene(self, index):
        return index // 2

    def same_class_in_other_scene(self, index, rng):
        return (index + 2) % len(self) if self.related else None

    def same_class_in_same_picture(self, index, rng):
        return None

    def sample(self, index, rng):
        self.log.append(("sample", self.name, self.scene(index)))
        return self._make()

    def pair(self, index, rng):
        self.log.append(("pair", self.name, self.scene(index)))
        sample = self._make()
        return sample, sample

    def _make(self):
        mask = np.zeros((120, 160), np.uint8)
        cv2.circle(mask, (80, 60), self.radius, 255, -1)
        image = np.full((120, 160, 3), 100, np.uint8)
        image[mask > 0] = 200
        box = np.array([80 - self.radius, 60 - self.radius, 2 * self.radius + 1, 2 * self.radius + 1], float)
        return Sample(image, box, mask if self.masked else None)


def dataset(sources, **changes):
    values = {
        "sources": [f"masks:{index}" for index in range(len(sources))],
        "source_weights": [1.0] * len(sources),
        "source_frame_ranges": [0] * len(sources),
        **changes,
    }
    return PairDataset(sources, from_mapping(TrainingConfig, values), NetworkConfig())


@pytest.mark.parametrize("negative_probability", [0.0, 1.0])
def test_what_is_not_the_target_is_of_another_scene(negative_probability):
    """Otherwise negatives, pasted objects and backgrounds could show the target as background."""
    log = []
    pairs = dataset(
        [Drawn("a", log), Drawn("b", log)],
        negative_probability=negative_probability,
        copy_paste_probability=1.0,
    )
    others = []
    for index in range(60):
        pair = pairs[index]
        assert (pair.labels == 1).any() == (negative_probability == 0)
        assert (pair.cells >= 0).any() == (negative_probability == 0)
    template = None
    for method, name, scene in log:
        if method == "pair":
            template = (name, scene)
        else:
            assert (name, scene) != template
            others.append((name != template[0], scene == template[1]))
    assert len(others) > 100
    assert (True, True) in others  # a scene of the same number in another source is another scene
    assert (False, False) in others


@pytest.mark.parametrize("related", [False, True])
def test_objects_of_the_same_class_take_the_place_of_others(related):
    """Any other object takes it where no object of the class is known."""
    log = []
    sources = [Drawn("a", log, related=related), Drawn("b", log, related=related)]
    pairs = dataset(
        sources,
        negative_probability=1.0,
        same_class_distractor_probability=1.0,
        background_swap_probability=0.0,
        copy_paste_probability=0.0,
    )
    for index in range(40):
        assert not (pairs[index].labels == 1).any()
    # After a pair, the template's background may be drawn, then the object shown instead of the target.
    shown = [
        (name == before[1], scene)
        for (method, name, scene), before in zip(log[1:], log, strict=False)
        if before[0] == "pair" and method == "sample"
    ]
    assert shown
    assert all(same_source for same_source, _ in shown) == related


class Neighbours(Drawn):
    """Every disc has another one in its picture, `distance` px to the right."""

    def __init__(self, distance):
        super().__init__("a", [], radius=15)
        self.distance = distance

    def same_class_in_same_picture(self, index, rng):
        return self._make().box_xywh + (self.distance, 0, 0, 0)


@pytest.mark.parametrize(("distance", "is_seen"), [(40, True), (200, False)])
def test_a_distractor_in_the_centre_and_the_target_at_its_side(distance, is_seen):
    still = {
        "search_shift": 0.0,
        "search_scale_jitter": 0.0,
        "rotation": 0.0,
        "aspect_ratio_jitter": 0.0,
        "flip_probability": 0.0,
    }
    pairs = dataset(
        [Neighbours(distance)],
        negative_probability=1.0,
        same_class_negative_probability=1.0,
        copy_paste_probability=0.0,
        template_scale_jitter=0.0,
        **still,
    )
    scale = 127 / (2 * 31)  # the template of a square box is twice as wide as the box
    for index in range(10):
        pair = pairs[index]
        rows, columns = np.nonzero((pair.labels == 1).any(axis=0))
        assert bool(len(columns)) == (pair.cells >= 0).any() == is_seen
        if is_seen:
            assert columns.mean() == pytest.approx(12 - distance * scale / 8, abs=0.5)
            assert rows.mean() == pytest.approx(12, abs=0.5)


def test_without_neighbours_another_object_is_shown():
    log = []
    pairs = dataset(
        [Drawn("a", log), Drawn("b", log)], negative_probability=1.0, same_class_negative_probability=1.0
    )
    for index in range(20):
        assert not (pairs[index].labels == 1).any()
    assert any(method == "sample" for method, _, _ in log)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_targets_are_occluded_by_rectangles_or_objects(monkeypatch, share):
    counts = {"occlude_with_rectangle": 0, "occlude_with_object": 0}
    for name in counts:
        monkeypatch.setattr(augmentation, name, lambda *_, name=name: counts.update({name: counts[name] + 1}))
    pairs = dataset(
        [Drawn("a", [])],
        negative_probability=1.0,
        occluded_probability=1.0,
        rectangular_occluder_probability=share,
    )
    for index in range(10):
        pairs.random_pair(np.random.default_rng(index))
    assert counts == {"occlude_with_rectangle": 10 * share, "occlude_with_object": 10 * (1 - share)}


def test_parts_are_learned_too(monkeypatch):
    parts = []
    monkeypatch.setattr(
        random_crops,
        "render",
        lambda sample, warp, background, cutout, rng: parts.append((sample.in_place, cutout)),
    )
    for share in (0.0, 1.0):
        pairs = dataset(
            [Drawn("a", [], radius=55)],
            part_probability=share,
            background_swap_probability=1.0,
            negative_probability=0.0,
        )
        for index in range(10):
            pairs.random_pair(np.random.default_rng(index))
    assert [in_place for in_place, _ in parts] == [False] * 20 + [True] * 20


@pytest.mark.parametrize(
    ("option", "function"),
    [
        ("low_resolution_probability", "lower_resolution"),
        ("darkness_probability", "darken"),
        ("compression_probability", "compress"),
    ],
)
def test_the_camera_is_the_same_for_both_crops(monkeypatch, option, function):
    calls = []

    def count(image, *_):
        calls.append(image.shape[0])
        return image

    monkeypatch.setattr(augmentation, function, count)
    for probability in (0.0, 1.0):
        pairs = dataset([Drawn("a", [])], negative_probability=0.0, **{option: probability})
        for index in range(4):
            pairs[index]
        # a draw without a usable search crop makes neither
        assert calls == [127, 255] * 4 * int(probability)


@pytest.mark.parametrize("background_swap_probability", [0.0, 1.0])
@pytest.mark.parametrize("radius", [20, 55])
def test_probability_of_cut_out_objects(monkeypatch, background_swap_probability, radius):
    """An object that fills its picture is cut out more often, but not with a probability of 0."""
    cut_out = []
    monkeypatch.setattr(random_crops, "render", lambda *arguments: cut_out.append(arguments[3]))
    pairs = dataset([Drawn("a", [], radius=radius)], background_swap_probability=background_swap_probability)
    for index in range(10):
        pairs.random_pair(np.random.default_rng(index))
    assert cut_out == [background_swap_probability == 1.0] * 20


def test_one_scene_is_not_enough():
    log = []
    with pytest.raises(ConfigError, match="at least two images or videos"):
        dataset([Drawn("a", log, scenes=1)])
    with pytest.raises(ConfigError, match="at least two images or videos"):
        dataset([Drawn("a", log, scenes=1), Drawn("b", log)], source_weights=[1.0, 0.0])
    dataset([Drawn("a", log, scenes=1), Drawn("b", log, scenes=1)])[0]


def test_sources_are_drawn_by_their_weights():
    log = []
    pairs = dataset([Drawn("a", log), Drawn("b", log)], source_weights=[3.0, 1.0], negative_probability=0.0)
    for index in range(300):
        pairs[index]
    drawn = [name for method, name, _ in log if method == "pair"]
    # Four standard deviations of 300 draws.
    assert drawn.count("a") / len(drawn) == pytest.approx(0.75, abs=0.1)


def test_an_object_without_a_mask_has_a_box_but_no_masks():
    pairs = dataset([Drawn("boxes", [], masked=False)], negative_probability=0.0)
    for index in range(20):
        pair = pairs[index]
        assert (pair.labels == 1).any()
        assert (pair.cells == -1).all()
        assert not pair.masks.any()


@pytest.mark.timeout(60)
def test_objects_without_masks_are_covered_too():
    """All pairs are covered negatives; the occluder is a rectangle where no object can be cut out."""
    pairs = dataset(
        [Drawn("a", [], masked=False)],
        negative_probability=1.0,
        occluded_probability=1.0,
        rectangular_occluder_probability=0.0,
    )
    for index in range(6):
        pair = pairs[index]
        assert not (pair.labels == 1).any()
        assert (pair.labels == 0).any()


class Damaged(Drawn):
    """The files of some objects, or of all, have been damaged since the start."""

    def __init__(self, bad):
        super().__init__("a", [])
        self.bad = bad

    def pair(self, index, rng):
        if self.scene(index) in self.bad:
            raise MediaError(f"{self.scene(index)}.jpg: not a readable image")
        return super().pair(index, rng)


def test_a_file_damaged_during_the_training_is_named_and_left_out(capsys):
    pairs = dataset([Damaged({1})], negative_probability=0.0, copy_paste_probability=0.0)
    for index in range(20):
        assert (pairs[index].labels == 1).any()
    assert capsys.readouterr().err == "left out: 1.jpg: not a readable image\n"


@pytest.mark.timeout(60)
def test_no_pair_at_all_is_an_error():
    with pytest.raises(ConfigError, match=r"no pair could be made in 1000 draws: [012].jpg: not a readable"):
        dataset([Damaged({0, 1, 2})])[0]
