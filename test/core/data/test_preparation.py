"""Data sets in exactly the layouts in which they are published, small and with invented content.

They are prepared, and what training then reads is compared with what was drawn.
"""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pycocotools")
Image = pytest.importorskip("PIL.Image")

from siammaskpp_core.cli.main import main
from siammaskpp_core.config import ConfigError
from siammaskpp_core.data.preparation import index as index_module
from siammaskpp_core.data.preparation import prepare as preparation
from siammaskpp_core.data.preparation.annotations import PreparationError
from siammaskpp_core.data.preparation.index import index_path, load_index
from siammaskpp_core.data.preparation.prepare import prepare, summary
from siammaskpp_core.data.sources import open_source, open_sources
from siammaskpp_core.io.images import MediaError

WIDTH, HEIGHT = 160, 120


def object_colour(number):
    """The colour (BGR) in which object `number` is drawn."""
    return (0, 90 * number, 255 - 60 * number)


def picture(seed, boxes):
    """Noise with a filled rectangle (x, y, w, h) in its own colour for each object number."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(60, 160, (6, 8, 3), dtype=np.uint8), (WIDTH, HEIGHT))
    for number, (x, y, w, h) in boxes.items():
        image[y : y + h, x : x + w] = object_colour(number)
    return image


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def ilsvrc_xml(name, boxes, extra=""):
    """An annotation as ILSVRC has them; boxes x, y, w, h by track number."""
    objects = "".join(
        f"<object>{extra.format(number)}<name>n02084071</name><bndbox><xmax>{x + w - 1}</xmax>"
        f"<xmin>{x}</xmin><ymax>{y + h - 1}</ymax><ymin>{y}</ymin></bndbox><occluded>0</occluded>"
        "<generated>0</generated></object>"
        for number, (x, y, w, h) in boxes.items()
    )
    return (
        f"<annotation><folder>any</folder><filename>{name}</filename><source><database>ILSVRC_2015</database>"
        f"</source><size><width>{WIDTH}</width><height>{HEIGHT}</height></size>{objects}</annotation>\n"
    )


@pytest.fixture(scope="module")
def coco_folder(tmp_path_factory):
    """COCO 2017: two pictures with objects, a crowd, small and broken ones; one picture without."""
    root = tmp_path_factory.mktemp("coco")
    boxes = {1: (10, 20, 60, 50), 2: (90, 30, 40, 60)}
    write(root / "train2017/000000000009.jpg", picture(9, boxes))
    write(root / "train2017/000000000025.jpg", picture(25, {1: (50, 40, 30, 30)}))
    write(root / "train2017/000000000030.jpg", picture(30, {}))

    def polygon(x, y, w, h):
        return [[x, y, x + w, y, x + w, y + h, x, y + h]]

    # Counts run down the columns: 50 columns of background, then 30 with the rows 40 to 69 set.
    counts = [50 * HEIGHT + 40] + [30, HEIGHT - 30] * 29 + [30, HEIGHT * 80 + HEIGHT - 70]
    entries = [
        (9, 0, boxes[1], polygon(*boxes[1])),
        (9, 0, boxes[2], polygon(*boxes[2])),
        (9, 1, (0, 0, 160, 120), {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH]}),
        (9, 0, (5, 5, 19, 50), polygon(5, 5, 19, 50)),
        (9, 0, (5, 5, 40, 50), [[5, 5, 45, 55]]),
        (25, 0, (50, 40, 30, 30), {"size": [HEIGHT, WIDTH], "counts": counts}),
    ]
    annotations = [
        {"id": 1000 + i, "image_id": image, "category_id": 18, "iscrowd": crowd, "bbox": box, "area": 1.0}
        | {"segmentation": segmentation}
        for i, (image, crowd, box, segmentation) in enumerate(entries)
    ]
    images = [
        {"id": number, "file_name": f"{number:012d}.jpg", "width": WIDTH, "height": HEIGHT, "license": 3}
        for number in (25, 9, 30)
    ]
    file = root / "annotations/instances_train2017.json"
    file.parent.mkdir()
    categories = [{"id": 18, "name": "dog", "supercategory": "animal"}]
    file.write_text(
        json.dumps({"info": {}, "images": images, "annotations": annotations, "categories": categories})
    )
    return root


VOS_FRAMES = [f"{5 * index:05d}" for index in range(8)]


def vos_box(video, number, index):
    """Where object `number` is in the frame with `index`; the rows are the videos'."""
    return (10 + 6 * index, 10, 40, 40) if number == 1 else (100 - 6 * index, 65 + 5 * video, 45, 30)


@pytest.fixture(scope="module")
def youtube_vos_folder(tmp_path_factory):
    """YouTube-VOS: two videos with two objects, of which the second is away or tiny in some frames."""
    root = tmp_path_factory.mktemp("youtube-vos")
    videos = {}
    for video, name in enumerate(("003234408d", "0043f083b5")):
        # Object 2: away in frame 3, tiny in frame 4.
        objects = {"1": VOS_FRAMES, "2": [frame for i, frame in enumerate(VOS_FRAMES) if i != 3]}
        for index, frame in enumerate(VOS_FRAMES):
            boxes = {
                int(number): vos_box(video, int(number), index)
                for number, frames in objects.items()
                if frame in frames
            }
            if index == 4:
                boxes[2] = (*boxes[2][:2], 20, 20)
            write(root / f"train/JPEGImages/{name}/{frame}.jpg", picture(index, boxes))
            numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
            for number, (x, y, w, h) in boxes.items():
                numbers[y : y + h, x : x + w] = number
            annotation = Image.fromarray(numbers, mode="L")
            annotation.putpalette([0, 0, 0, 236, 95, 103, 249, 145, 87])  # it becomes one of mode P
            path = root / f"train/Annotations/{name}/{frame}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            annotation.save(path)
        videos[name] = {
            "objects": {
                number: {"category": category, "frames": objects[number]}
                for number, category in {"1": "dog", "2": "cat"}.items()
            }
        }
    (root / "train/meta.json").write_text(json.dumps({"videos": videos}))
    return root


VID_PARTS = (
    "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00005003",
    "ILSVRC2015_VID_train_0001/ILSVRC2015_train_00139005",
)
VID_LENGTH = 60


def vid_boxes(index):
    """Boxes of a frame by track: track 0 is away from frame 20 to 29, track 1 shrinks to nothing."""
    boxes = {0: (10 + index, 10, 40, 30), 1: (100, 50, 50 - index, 40)}
    if 20 <= index < 30:
        del boxes[0]
    if 50 - index <= 0:
        del boxes[1]
    return boxes


@pytest.fixture(scope="module")
def ilsvrc_folder(tmp_path_factory):
    """ILSVRC2015 with VID and DET, as both archives unpack into one folder."""
    root = tmp_path_factory.mktemp("ilsvrc") / "ILSVRC2015"
    for part in VID_PARTS:
        for index in range(VID_LENGTH):
            boxes = vid_boxes(index)
            write(root / f"Data/VID/train/{part}/{index:06d}.JPEG", picture(index, boxes))
            xml = root / f"Annotations/VID/train/{part}/{index:06d}.xml"
            xml.parent.mkdir(parents=True, exist_ok=True)
            xml.write_text(ilsvrc_xml(f"{index:06d}", boxes, "<trackid>{}</trackid>"))
    stills = {
        "ILSVRC2013_train/n02672831/n02672831_11478": {1: (30, 30, 50, 40), 2: (100, 20, 30, 80)},
        "ILSVRC2013_train/n00007846/n00007846_6247": {1: (0, 0, 160, 120)},
        "ILSVRC2013_train_extra0/ILSVRC2013_train_00000001": {},
        "ILSVRC2014_train_0000/ILSVRC2014_train_00000001": {1: (20, 20, 90, 80), 2: (5, 5, 5, 30)},
    }
    for name, boxes in stills.items():
        write(root / f"Data/DET/train/{name}.JPEG", picture(len(name), boxes))
        xml = root / f"Annotations/DET/train/{name}.xml"
        xml.parent.mkdir(parents=True, exist_ok=True)
        xml.write_text(ilsvrc_xml(Path(name).name, boxes))
    return root


def fresh(folder, tmp_path):
    """A copy of a data set to break."""
    return Path(shutil.copytree(folder, tmp_path / folder.name))


def opened(kind, folder, frame_range=0):
    prepare(kind, folder, workers=1)
    return open_source(f"{kind}:{folder.name}", folder.parent, frame_range)


def boxes_of(source, index, count=300):
    """All boxes with which an object is found in many draws, as tuples."""
    rng = np.random.default_rng(0)
    return {tuple(source.sample(index, rng).box_xywh.tolist()) for _ in range(count)}


def shows(sample, number):
    """Whether the middle of the box has the colour of object `number`, up to JPEG's loss."""
    x, y, w, h = sample.box_xywh
    found = sample.image[int(y + h / 2), int(x + w / 2)].astype(int)
    return np.abs(found - object_colour(number)).max() < 25


def test_coco(coco_folder):
    report = prepare("coco", coco_folder, workers=1)
    assert report.left_out == {"crowd": 1, "a side under 20 px": 1, "empty mask": 1}
    assert report.broken == []
    source = open_source(f"coco:{coco_folder.name}", coco_folder.parent, 1)
    assert [source.scene(index) for index in range(len(source))] == [0, 1, 1]
    expected = [(1, (50, 40, 30, 30)), (1, (10, 20, 60, 50)), (2, (90, 30, 40, 60))]
    for index, (number, (x, y, w, h)) in enumerate(expected):
        first, second = source.pair(index, np.random.default_rng(0))
        assert first is second
        assert first.box_xywh.tolist() == [x, y, w, h]
        assert shows(first, number)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[y : y + h, x : x + w] = 255
        np.testing.assert_array_equal(first.mask, mask)


def test_coco_with_compressed_masks(coco_folder, tmp_path):
    """As COCO's own tools write them."""
    from pycocotools import mask as coco_mask

    folder = fresh(coco_folder, tmp_path)
    file = folder / "annotations/instances_train2017.json"
    content = json.loads(file.read_text())
    mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    mask[10:50, 20:90] = 1
    coded = coco_mask.encode(mask)
    segmentation = {"size": [HEIGHT, WIDTH], "counts": coded["counts"].decode()}
    content["annotations"] = [content["annotations"][0] | {"segmentation": segmentation}]
    file.write_text(json.dumps(content))
    sample = opened("coco", folder).sample(0, np.random.default_rng(0))
    np.testing.assert_array_equal(sample.mask, mask * 255)
    assert sample.box_xywh.tolist() == [20, 10, 70, 40]


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


def test_youtube_vos(youtube_vos_folder):
    report = prepare("youtube_vos", youtube_vos_folder, workers=1)
    assert report.left_out == {"up to 1000 pixels": 2}
    assert report.broken == []
    source = open_source(f"youtube_vos:{youtube_vos_folder.name}", youtube_vos_folder.parent, 20)
    assert [source.scene(index) for index in range(len(source))] == [0, 0, 1, 1]
    for index in range(4):
        video, number = index // 2, index % 2 + 1
        frames = range(8) if number == 1 else [0, 1, 2, 5, 6, 7]
        assert boxes_of(source, index) == {vos_box(video, number, frame) for frame in frames}
        for sample in source.pair(index, np.random.default_rng(index)):
            assert shows(sample, number)
            x, y, w, h = sample.box_xywh.astype(int)
            assert sample.mask[y : y + h, x : x + w].all()
            assert np.count_nonzero(sample.mask) == w * h


def test_imagenet_vid(ilsvrc_folder):
    report = prepare("imagenet_vid", ilsvrc_folder, workers=1)
    # Track 1 of both videos is 5, 4, .. 1 pixels wide in its last five frames.
    assert report.left_out == {"a side under 6 px": 10}
    assert report.broken == []
    source = open_source(f"imagenet_vid:{ilsvrc_folder.name}", ilsvrc_folder.parent, 100)
    assert [source.scene(index) for index in range(len(source))] == [0, 0, 1, 1]
    assert boxes_of(source, 0, 1000) == {vid_boxes(i)[0] for i in range(60) if not 20 <= i < 30}
    assert boxes_of(source, 3, 1000) == {vid_boxes(i)[1] for i in range(45)}
    for index in range(4):
        for sample in source.pair(index, np.random.default_rng(index)):
            assert sample.mask is None
            assert shows(sample, index % 2)


def test_imagenet_det(ilsvrc_folder):
    report = prepare("imagenet_det", ilsvrc_folder, workers=1)
    assert report.left_out == {"over 90% of the picture": 1, "a side under 6 px": 1}
    source = open_source(f"imagenet_det:{ilsvrc_folder.name}", ilsvrc_folder.parent, 1)
    samples = [source.sample(index, np.random.default_rng(0)) for index in range(len(source))]
    boxes = [tuple(sample.box_xywh.tolist()) for sample in samples]
    assert sorted(boxes) == [(20, 20, 90, 80), (30, 30, 50, 40), (100, 20, 30, 80)]
    assert all(shows(sample, 2 if box[0] == 100 else 1) for sample, box in zip(samples, boxes, strict=True))


@pytest.mark.parametrize("frame_range", [0, 3, 100])
def test_frames_of_a_pair_are_near(ilsvrc_folder, frame_range):
    """Track 0 of VID is at x = 10 + frame; it is away from frame 20 to 29."""
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


def alike(source, index):
    rng = np.random.default_rng(0)
    return {source.same_class_object(index, rng) for _ in range(50)}


def test_alike_are_objects_of_a_category_in_other_scenes(coco_folder, youtube_vos_folder, ilsvrc_folder):
    vos = opened("youtube_vos", youtube_vos_folder)
    assert [alike(vos, index) for index in range(4)] == [{2}, {3}, {0}, {1}]
    coco = opened("coco", coco_folder)  # two of the three are in one picture
    assert [alike(coco, index) for index in range(3)] == [{1, 2}, {0}, {0}]
    vid = opened("imagenet_vid", ilsvrc_folder)
    assert [alike(vid, index) for index in range(4)] == [{2, 3}, {2, 3}, {0, 1}, {0, 1}]


def test_beside_are_objects_of_a_category_in_the_same_picture(coco_folder, youtube_vos_folder):
    rng = np.random.default_rng(0)
    coco = opened("coco", coco_folder)
    assert coco.same_class_distractor(0, rng) is None
    for index, other in ((1, 2), (2, 1)):
        np.testing.assert_array_equal(
            coco.same_class_distractor(index, rng), coco.sample(other, rng).box_xywh
        )
    vos = opened("youtube_vos", youtube_vos_folder)
    assert [vos.same_class_distractor(index, rng) for index in range(4)] == [None] * 4


def test_a_category_of_its_own_or_none_is_like_nothing(youtube_vos_folder, tmp_path):
    folder = fresh(youtube_vos_folder, tmp_path)
    file = folder / "train/meta.json"
    videos = json.loads(file.read_text())["videos"]
    for video, content in videos.items():
        del content["objects"]["1"]["category"]
        content["objects"]["2"]["category"] = video
    file.write_text(json.dumps({"videos": videos}))
    source = opened("youtube_vos", folder)
    assert [alike(source, index) for index in range(4)] == [{None}] * 4


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


def test_processes_find_what_one_process_finds(ilsvrc_folder, tmp_path):
    prepare("imagenet_vid", ilsvrc_folder, workers=1)
    prepare("imagenet_vid", ilsvrc_folder, tmp_path, workers=2)
    one, root = load_index("imagenet_vid", ilsvrc_folder)
    two, same_root = load_index("imagenet_vid", tmp_path)
    assert root.samefile(same_root)
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(two, name))


def test_a_prepared_folder_can_be_moved(coco_folder, tmp_path):
    folder = fresh(coco_folder, tmp_path)
    prepare("coco", folder, workers=1)
    moved = folder.rename(tmp_path / "elsewhere")
    assert len(open_source(f"coco:{moved}", Path("/"), 0)) == 3


def break_nothing_but_the_xml(folder):
    path = folder / f"Annotations/VID/train/{VID_PARTS[0]}/000030.xml"
    path.write_text(path.read_text()[:100])
    return path, "not valid XML"


def take_a_track_away(folder):
    path = folder / f"Annotations/VID/train/{VID_PARTS[1]}/000003.xml"
    path.write_text(path.read_text().replace("<trackid>0</trackid>", ""))
    return path, "trackid: a number is expected"


def take_a_picture_away(folder):
    (folder / f"Data/VID/train/{VID_PARTS[1]}/000004.JPEG").unlink()
    return folder / f"Annotations/VID/train/{VID_PARTS[1]}/000004.xml", "000004.JPEG is missing"


@pytest.mark.parametrize("harm", [break_nothing_but_the_xml, take_a_track_away, take_a_picture_away])
def test_a_broken_file_is_named_and_left_out(ilsvrc_folder, tmp_path, harm):
    folder = fresh(ilsvrc_folder, tmp_path)
    path, reason = harm(folder)
    report = prepare("imagenet_vid", folder, workers=1)
    assert len(report.broken) == 1
    assert str(path) in report.broken[0]
    assert reason in report.broken[0]
    assert report.broken[0] in summary(report)
    index, _ = load_index("imagenet_vid", folder)
    whole, _ = load_index("imagenet_vid", ilsvrc_folder)
    assert 1 <= len(whole.time) - len(index.time) <= 2


def test_many_broken_files_are_an_error(ilsvrc_folder, tmp_path):
    folder = fresh(ilsvrc_folder, tmp_path)
    index_path("imagenet_vid", folder).unlink(missing_ok=True)
    for frame in range(20):
        (folder / f"Data/VID/train/{VID_PARTS[0]}/{frame:06d}.JPEG").unlink()
    with pytest.raises(PreparationError, match=r"20 of 120 pictures .*(.|\n)*000009(.|\n)*and 10 more"):
        prepare("imagenet_vid", folder, workers=1)
    assert not index_path("imagenet_vid", folder).exists()


@pytest.mark.parametrize(
    ("mode", "size", "reason"),
    [("RGB", (WIDTH, HEIGHT), "palette PNG"), ("L", (80, 60), "another size"), (None, None, "No such file")],
)
def test_broken_masks_are_named(youtube_vos_folder, tmp_path, monkeypatch, mode, size, reason):
    monkeypatch.setattr(preparation, "MAX_BROKEN_FRACTION", 0.1)
    folder = fresh(youtube_vos_folder, tmp_path)
    path = folder / "train/Annotations/0043f083b5/00010.png"
    path.unlink()
    if mode:
        Image.new(mode, size).save(path)
    report = prepare("youtube_vos", folder, workers=1)
    assert len(report.broken) == 1
    assert report.broken[0].startswith(f"{path}: ")
    assert reason in report.broken[0]


def test_coco_pictures_of_another_size_are_named(coco_folder, tmp_path):
    folder = fresh(coco_folder, tmp_path)
    write(folder / "train2017/000000000009.jpg", np.zeros((60, 80, 3), np.uint8))
    with pytest.raises(PreparationError, match=r"000000000009\.jpg: the annotations are for .* 160x120"):
        prepare("coco", folder, workers=1)


@pytest.mark.parametrize(
    ("kind", "file", "text", "message"),
    [
        ("coco", "annotations/instances_train2017.json", "{", "not a COCO file"),
        ("coco", "annotations/instances_train2017.json", '{"images": []}', "not a COCO file"),
        ("youtube_vos", "train/meta.json", '{"videos": {"a": {}}}', "not the description"),
        ("youtube_vos", "train/meta.json", None, "missing"),
    ],
)
def test_broken_descriptions_are_named(request, tmp_path, kind, file, text, message):
    folder = fresh(request.getfixturevalue(f"{kind}_folder"), tmp_path)
    (folder / file).unlink()
    if text is not None:
        (folder / file).write_text(text)
    with pytest.raises(PreparationError, match=f"{Path(file).name}: .*{message}"):
        prepare(kind, folder, workers=1)


@pytest.mark.parametrize("kind", preparation.READERS)
def test_another_layout_is_refused(tmp_path, kind):
    with pytest.raises(PreparationError, match=r"missing; .* folder has "):
        prepare(kind, tmp_path, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(coco_folder, tmp_path, monkeypatch):
    with pytest.raises(PreparationError, match="nowhere: not a folder that can be written to"):
        prepare("coco", coco_folder, tmp_path / "nowhere")
    monkeypatch.setattr(preparation.os, "access", lambda place, mode: False)
    monkeypatch.setattr(preparation, "READERS", {"coco": None})  # nothing is read
    with pytest.raises(PreparationError, match="give another with --output"):
        prepare("coco", coco_folder)


def test_the_papers_mixture(coco_folder, youtube_vos_folder, ilsvrc_folder, tmp_path):
    """Its configuration finds the four data sets and draws from all of them."""
    pytest.importorskip("torch")
    from siammaskpp_core.training.experiment import read_experiment
    from siammaskpp_core.training.pairs import PairDataset

    folders = {"coco": coco_folder, "youtube_vos": youtube_vos_folder}
    for kind in preparation.READERS:
        (tmp_path / kind).symlink_to(folders.get(kind, ilsvrc_folder))
        prepare(kind, tmp_path / kind, workers=1)
    path = Path(__file__).parents[3] / "config/networks/siammaskpp_base.yaml"
    experiment = read_experiment(path)
    network, training = experiment.network, experiment.training
    pairs = PairDataset(
        open_sources(training.sources, training.source_frame_ranges, tmp_path), training, network
    )
    drawn = [pairs[index] for index in range(60)]
    found = [(bool((pair.labels == 1).any()), bool((pair.cells >= 0).any())) for pair in drawn]
    # Negatives, objects with a box alone, objects with a mask; never a mask without a box.
    assert set(found) == {(False, False), (True, False), (True, True)}


def test_an_interrupted_preparation_leaves_nothing(ilsvrc_folder, tmp_path, monkeypatch):
    folder = fresh(ilsvrc_folder, tmp_path)
    index_path("imagenet_vid", folder).unlink(missing_ok=True)
    before = sorted(folder.iterdir())

    def interrupted(file, **arrays):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare("imagenet_vid", folder, workers=1)
    assert sorted(folder.iterdir()) == before


def test_a_damaged_index_says_what_to_do(coco_folder, tmp_path, monkeypatch):
    folder = fresh(coco_folder, tmp_path)
    index_path("coco", folder).unlink(missing_ok=True)
    with pytest.raises(ConfigError, match=r"not prepared .* run: siammaskpp prepare-data coco"):
        open_source(f"coco:{folder}", Path("/"), 0)
    prepare("coco", folder, workers=1)
    path = index_path("coco", folder)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"PK nothing"):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match="damaged; run: siammaskpp prepare-data coco"):
            open_source(f"coco:{folder}", Path("/"), 0)
    monkeypatch.setattr(index_module, "VERSION", index_module.VERSION + 1)
    prepare("coco", folder, workers=1)
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="another version"):
        open_source(f"coco:{folder}", Path("/"), 0)


def test_a_lost_picture_is_named_in_training(coco_folder, tmp_path):
    folder = fresh(coco_folder, tmp_path)
    source = opened("coco", folder)
    (folder / "train2017/000000000025.jpg").unlink()
    with pytest.raises(MediaError, match=r"000000000025\.jpg: no such file"):
        source.sample(0, np.random.default_rng(0))


def test_command(ilsvrc_folder, tmp_path, capsys):
    command = [
        "prepare-data",
        "imagenet_det",
        str(ilsvrc_folder),
        "--output",
        str(tmp_path),
        "--workers",
        "1",
    ]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "2 pictures or videos, 3 objects, 3 boxes, 0 masks" in shown
    assert "left out: 1 (over 90% of the picture)" in shown
    assert str(index_path("imagenet_det", tmp_path)) in shown
    assert len(open_source("imagenet_det:.", tmp_path, 0)) == 3
    assert main(["prepare-data", "imagenet", str(ilsvrc_folder)]) == 2
    assert "known are coco, youtube_vos" in capsys.readouterr().err
