"""The readers of ImageNet VID and DET, and what training reads from the index."""

import numpy as np
import pytest

pytest.importorskip("pycocotools")
Image = pytest.importorskip("PIL.Image")

from drawn_data_sets import VID_PARTS, boxes_of, fresh, shows, vid_boxes

from siammaskpp_core.cli.main import main
from siammaskpp_core.data.preparation.index import load_index
from siammaskpp_core.data.preparation.prepare import prepare
from siammaskpp_core.data.sources import open_source


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
def test_a_broken_file_is_named_and_left_out(ilsvrc_folder, tmp_path, harm, capsys):
    folder = fresh(ilsvrc_folder, tmp_path)
    path, reason = harm(folder)
    report = prepare("imagenet_vid", folder, workers=1)
    assert len(report.broken) == 1
    assert str(path) in report.broken[0]
    assert reason in report.broken[0]
    assert main(["prepare-data", "imagenet_vid", str(folder), "--workers", "1"]) == 3
    shown = capsys.readouterr().err
    assert "left out: 1\n" in shown
    assert report.broken[0] in shown
    index, _ = load_index("imagenet_vid", folder)
    whole, _ = load_index("imagenet_vid", ilsvrc_folder)
    assert 1 <= len(whole.time) - len(index.time) <= 2
