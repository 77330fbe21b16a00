"""The reader of YouTube-VOS, and what training reads from the index."""

import numpy as np
import pytest

pytest.importorskip("pycocotools")
Image = pytest.importorskip("PIL.Image")

from drawn_data_sets import HEIGHT, WIDTH, boxes_of, fresh, shows, vos_box

from siammaskpp_core.data.preparation import prepare as preparation
from siammaskpp_core.data.preparation.prepare import prepare
from siammaskpp_core.data.sources import open_source


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
