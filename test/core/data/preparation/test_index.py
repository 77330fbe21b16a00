"""The file of a prepared data set."""

from pathlib import Path

import pytest

pytest.importorskip("pycocotools")
Image = pytest.importorskip("PIL.Image")

from drawn_data_sets import fresh

from siammaskpp_core.config import ConfigError
from siammaskpp_core.data.preparation import index as index_module
from siammaskpp_core.data.preparation.index import index_path
from siammaskpp_core.data.preparation.prepare import prepare
from siammaskpp_core.data.sources import open_source


def test_a_prepared_folder_can_be_moved(coco_folder, tmp_path):
    folder = fresh(coco_folder, tmp_path)
    prepare("coco", folder, workers=1)
    moved = folder.rename(tmp_path / "elsewhere")
    assert len(open_source(f"coco:{moved}", Path("/"), 0)) == 3


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
