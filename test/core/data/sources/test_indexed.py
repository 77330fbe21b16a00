"""Objects of prepared data sets: pairs of frames, and other objects of the same category."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("pycocotools")
Image = pytest.importorskip("PIL.Image")

from drawn_data_sets import HEIGHT, VID_PARTS, WIDTH, boxes_of, fresh, opened, shows

from siammaskpp_core.data.sequences import DatasetError
from siammaskpp_core.data.sources import open_source
from siammaskpp_core.io.images import MediaError


@pytest.mark.parametrize("frame_range", [0, 3, 100])
def test_frames_of_a_pair_are_near(ilsvrc_folder, frame_range):
    """Track 0 of VID is at x = 10 + frame; it is absent from frame 20 to 29."""
    source = opened("imagenet_vid", ilsvrc_folder, frame_range)
    rng = np.random.default_rng(0)
    frames = np.array([[sample.box_xywh[0] - 10 for sample in source.pair(0, rng)] for _ in range(400)])
    distances = set((frames[:, 1] - frames[:, 0]).astype(int).tolist())
    assert max(map(abs, distances)) <= frame_range
    if frame_range == 3:
        assert distances == set(range(-3, 4))
    if frame_range == 100:
        assert min(distances) < -45
        assert max(distances) > 45


def test_distances_count_annotated_pictures(youtube_vos_folder):
    """YouTube-VOS annotates each fifth frame; object 1 moves 6 pixels in between."""
    source = opened("youtube_vos", youtube_vos_folder, 2)
    rng = np.random.default_rng(0)
    pairs = [source.pair(0, rng) for _ in range(300)]
    moved = {int(second.box_xywh[0] - first.box_xywh[0]) for first, second in pairs}
    assert moved == {-12, -6, 0, 6, 12}


def test_a_pair_depends_on_its_arguments_alone(youtube_vos_folder):
    source = opened("youtube_vos", youtube_vos_folder, 20)
    once = source.pair(1, np.random.default_rng(5))
    source.pair(3, np.random.default_rng(6))
    again = source.pair(1, np.random.default_rng(5))
    for one, two in zip(once, again, strict=True):
        for left, right in zip(one, two, strict=True):
            np.testing.assert_array_equal(left, right)


def test_pictures_are_read_as_they_are_stored(coco_folder, tmp_path):
    """Annotations do not follow EXIF's orientation; 6 stands for a quarter turn."""
    folder = fresh(coco_folder, tmp_path)
    path = folder / "train2017/000000000009.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(path, exif=exif)
    assert cv2.imread(str(path)).shape == (WIDTH, HEIGHT, 3)
    sample = opened("coco", folder).sample(1, np.random.default_rng(0))
    assert sample.image.shape == (HEIGHT, WIDTH, 3)
    assert shows(sample, 1)


def test_a_lost_picture_is_named_in_training(coco_folder, tmp_path):
    folder = fresh(coco_folder, tmp_path)
    source = opened("coco", folder)
    (folder / "train2017/000000000025.jpg").unlink()
    with pytest.raises(MediaError, match=r"000000000025\.jpg: no such file"):
        source.sample(0, np.random.default_rng(0))


def same_class(source, index):
    rng = np.random.default_rng(0)
    return {source.same_class_in_other_scene(index, rng) for _ in range(50)}


def test_objects_of_the_same_class_are_in_other_scenes(coco_folder, youtube_vos_folder, ilsvrc_folder):
    vos = opened("youtube_vos", youtube_vos_folder)
    assert [same_class(vos, index) for index in range(4)] == [{2}, {3}, {0}, {1}]
    coco = opened("coco", coco_folder)  # two of the three are in one picture
    assert [same_class(coco, index) for index in range(3)] == [{1, 2}, {0}, {0}]
    vid = opened("imagenet_vid", ilsvrc_folder)
    assert [same_class(vid, index) for index in range(4)] == [{2, 3}, {2, 3}, {0, 1}, {0, 1}]


def test_distractors_of_the_same_class_are_in_the_same_picture(coco_folder, youtube_vos_folder):
    rng = np.random.default_rng(0)
    coco = opened("coco", coco_folder)
    assert coco.same_class_in_same_picture(0, rng) is None
    for index, other in ((1, 2), (2, 1)):
        np.testing.assert_array_equal(
            coco.same_class_in_same_picture(index, rng), coco.sample(other, rng).box_xywh
        )
    vos = opened("youtube_vos", youtube_vos_folder)
    assert [vos.same_class_in_same_picture(index, rng) for index in range(4)] == [None] * 4


def test_without_another_object_of_its_category_there_is_none(youtube_vos_folder, tmp_path):
    folder = fresh(youtube_vos_folder, tmp_path)
    file = folder / "train/meta.json"
    videos = json.loads(file.read_text())["videos"]
    for video, content in videos.items():
        del content["objects"]["1"]["category"]
        content["objects"]["2"]["category"] = video
    file.write_text(json.dumps({"videos": videos}))
    source = opened("youtube_vos", folder)
    assert [same_class(source, index) for index in range(4)] == [{None}] * 4


def test_pictures_that_are_lost_are_named_at_the_start(coco_folder, ilsvrc_folder, tmp_path):
    folder = fresh(coco_folder, tmp_path)
    opened("coco", folder)
    (folder / "train2017/000000000025.jpg").unlink()
    source = open_source(f"coco:{folder}", tmp_path, 0)
    assert [source.scene(index) for index in range(len(source))] == [0, 0]
    for index in range(2):
        assert shows(source.sample(index, np.random.default_rng(0)), index + 1)
    assert source.left_out == [f"{folder}/train2017/000000000025.jpg: no such file"]
    vid = fresh(ilsvrc_folder, tmp_path)
    whole = opened("imagenet_vid", vid)
    (vid / f"Data/VID/train/{VID_PARTS[1]}/000005.JPEG").unlink()
    source = open_source(f"imagenet_vid:{vid}", tmp_path, 0)
    assert len(source) == len(whole)
    assert len(source.left_out) == 1
    assert (15, 10, 40, 30) in boxes_of(source, 0, 2000)
    assert (15, 10, 40, 30) not in boxes_of(source, 2, 2000)
    for path in (folder / "train2017").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match="none of its pictures exists"):
        open_source(f"coco:{folder}", tmp_path, 0)
