"""Where training objects come from, and what a pair may be made of."""

import json
import shutil

import cv2
import numpy as np
import pytest

from siammaskpp_core.config import ConfigError, from_mapping
from siammaskpp_core.data.sources import open_source, open_sources
from siammaskpp_core.data.sources.base import Sample
from siammaskpp_core.errors import UserError
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.training import augmentation, random_crops
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.pairs import PairDataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures with one disc each and its mask; a COCO file of the same; videos of a moving disc."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    davis = {part: root / f"davis/{part}/480p/disc" for part in ("JPEGImages", "Annotations")}
    folders = [root / name for name in ("stills/images", "stills/masks", "coco/images", "videos/disc/img")]
    for folder in (*folders, *davis.values()):
        folder.mkdir(parents=True)
    images, annotations, boxes = [], [], []
    for index in range(4):
        picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (160, 120))
        mask = np.zeros((120, 160), np.uint8)
        centre = (60 + 10 * index, 60)
        cv2.circle(mask, centre, 25, 255, -1)
        picture[mask > 0] = (40, 60 * index, 220)
        for folder, name in zip(folders, ("{}.jpg", "{}.png", "{}.jpg", "{:04d}.jpg"), strict=True):
            written = mask if folder.name == "masks" else picture
            cv2.imwrite(str(folder / name.format(index)), written)
        cv2.imwrite(str(davis["JPEGImages"] / f"{index:05d}.jpg"), picture)
        cv2.imwrite(str(davis["Annotations"] / f"{index:05d}.png"), mask)
        x, y, w, h = box = [centre[0] - 25, 35, 51, 51]
        boxes.append(",".join(map(str, box)))
        images.append({"id": index, "file_name": f"{index}.jpg", "width": 160, "height": 120})
        polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
        annotation = {"id": index + 1, "image_id": index, "category_id": 1, "iscrowd": 0, "bbox": box}
        annotations.append(annotation | {"area": w * h, "segmentation": [polygon]})
    boxes[2] = "NaN,NaN,NaN,NaN"  # not visible
    (root / "videos/disc/groundtruth_rect.txt").write_text("\n".join(boxes))
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "disc"}]}
    (root / "coco/instances.json").write_text(json.dumps(coco))
    return root


@pytest.mark.parametrize(
    ("spec", "count", "masked"),
    [("masks:stills", 4, True), ("videos:videos", 1, False), ("videos:davis", 1, True)],
)
def test_folders(data, spec, count, masked):
    source = open_source(spec, data, 30)
    assert len(source) == count
    for sample in source.pair(0, np.random.default_rng(0)):
        x, y, w, h = sample.box_xywh
        assert (y, w, h) == (35, 51, 51)
        assert sample.image.shape == (120, 160, 3)
        assert abs(int(sample.image[60, int(x + 25), 2]) - 220) < 25
        assert (sample.mask is not None) is masked
        if masked:
            assert np.count_nonzero(sample.mask) == pytest.approx(np.pi * 25.5**2, rel=0.05)


def test_small_coco_file(data):
    """A selection of COCO is read as it is."""
    pytest.importorskip("pycocotools")
    source = open_source("coco:coco", data, 0)
    assert [source.scene(index) for index in range(len(source))] == [0, 1, 2, 3]
    sample = source.pair(0, np.random.default_rng(0))[0]
    assert sample.box_xywh.tolist() == [35, 35, 51, 51]
    assert not list((data / "coco").glob("*.npz"))


@pytest.mark.parametrize(
    ("frame_range", "distances"), [(0, {0}), (1, {-10, 0, 10}), (2, {-20, -10, 0, 10, 20})]
)
def test_frames_of_a_video_pair_are_near(data, frame_range, distances):
    """The disc moves 10 pixels a frame; it is away in the third of four."""
    source = open_source("videos:videos", data, frame_range)
    rng = np.random.default_rng(0)
    pairs = [source.pair(0, rng) for _ in range(100)]
    assert {int(second.box_xywh[0] - first.box_xywh[0]) for first, second in pairs} == distances
    assert 55 not in {int(first.box_xywh[0]) for first, _ in pairs}


def test_objects_of_one_video_are_in_one_scene(data, tmp_path):
    """As OTB's Jogging, with a truth for each of two persons."""
    for name in ("disc", "pair"):
        folder = shutil.copytree(data / "videos/disc", tmp_path / name)
    truth = folder / "groundtruth_rect.txt"
    shutil.copy(truth, folder / "groundtruth_rect.1.txt")
    truth.rename(folder / "groundtruth_rect.2.txt")
    source = open_source("videos:.", tmp_path, 0)
    assert [source.scene(index) for index in range(len(source))] == [0, 1, 1]


@pytest.mark.parametrize(
    "spec", ["masks:/nowhere", "videos:/nowhere", "youtube_vos:/nowhere", "zip:x", "masks"]
)
def test_missing_sources_are_named(tmp_path, spec):
    with pytest.raises(UserError, match=r"nowhere|write one of"):
        open_source(spec, tmp_path, 0)


def test_each_source_has_its_frame_range(data):
    values = {"sources": ["masks:stills", "videos:videos"], "source_weights": [1.0, 1.0]}
    config = from_mapping(TrainingConfig, values | {"source_frame_ranges": [0, 2]})
    assert open_sources(config.sources, config.source_frame_ranges, data)[1].frame_range == 2
    with pytest.raises(ConfigError, match="source_frame_ranges: one number for each"):
        from_mapping(TrainingConfig, values)


class Drawn:
    """Scenes of two discs each; what is asked for is written to `log` as (method, name, scene).

    With `related`, objects of the same number are alike in all scenes.
    """

    def __init__(self, name, log, scenes=3, masked=True, radius=20, related=False):
        self.name, self.log, self.scenes, self.masked, self.radius = name, log, scenes, masked, radius
        self.related = related

    def __len__(self):
        return 2 * self.scenes

    def scene(self, index):
        return index // 2

    def same_class_object(self, index, rng):
        return (index + 2) % len(self) if self.related else None

    def same_class_distractor(self, index, rng):
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
    """Negatives, pasted objects and backgrounds could else show the template's object as background."""
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
def test_look_alikes_take_the_place_of_other_objects(related):
    """Where none is known, any other object does."""
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
    # After a pair is asked for, the template's background may be, then what is shown in the target's stead.
    shown = [
        (name == before[1], scene)
        for (method, name, scene), before in zip(log[1:], log, strict=False)
        if before[0] == "pair" and method == "sample"
    ]
    assert shown
    assert all(same_source for same_source, _ in shown) == related


class Neighbours(Drawn):
    """Every disc has another in its picture, `distance` px to the right."""

    def __init__(self, distance):
        super().__init__("a", [], radius=15)
        self.distance = distance

    def same_class_distractor(self, index, rng):
        return self._make().box_xywh + (self.distance, 0, 0, 0)


@pytest.mark.parametrize(("distance", "is_seen"), [(40, True), (200, False)])
def test_a_look_alike_in_the_middle_and_the_target_at_its_side(distance, is_seen):
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
    scale = 127 / (2 * 31)  # of a square box: the template is twice as wide
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


@pytest.mark.parametrize("background_swap_probability", [0.0, 1.0])
@pytest.mark.parametrize("radius", [20, 55])
def test_share_of_cut_out_objects(monkeypatch, background_swap_probability, radius):
    """An object that fills its picture is cut out more often, but not if none is to be."""
    cut_out = []
    monkeypatch.setattr(random_crops, "render", lambda *arguments: cut_out.append(arguments[3]))
    pairs = dataset([Drawn("a", [], radius=radius)], background_swap_probability=background_swap_probability)
    for index in range(10):
        pairs.random_pair(np.random.default_rng(index))
    assert cut_out == [background_swap_probability == 1.0] * 20


def test_one_scene_is_not_enough():
    log = []
    with pytest.raises(ConfigError, match="at least two pictures or videos"):
        dataset([Drawn("a", log, scenes=1)])
    with pytest.raises(ConfigError, match="at least two pictures or videos"):
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
