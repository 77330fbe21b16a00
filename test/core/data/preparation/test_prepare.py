"""Preparation of any data set: processes, broken files, refusals, the command."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pycocotools")
Image = pytest.importorskip("PIL.Image")

from drawn_data_sets import VID_PARTS, fresh

from siammaskpp_core.cli.main import main
from siammaskpp_core.data.preparation import prepare as preparation
from siammaskpp_core.data.preparation.annotations import PreparationError
from siammaskpp_core.data.preparation.index import index_path, load_index
from siammaskpp_core.data.preparation.prepare import prepare
from siammaskpp_core.data.sources import open_source


def test_processes_find_what_one_process_finds(ilsvrc_folder, tmp_path):
    prepare("imagenet_vid", ilsvrc_folder, workers=1)
    prepare("imagenet_vid", ilsvrc_folder, tmp_path, workers=2)
    one, root = load_index("imagenet_vid", ilsvrc_folder)
    two, same_root = load_index("imagenet_vid", tmp_path)
    assert root.samefile(same_root)
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(two, name))


def test_many_broken_files_are_an_error(ilsvrc_folder, tmp_path):
    folder = fresh(ilsvrc_folder, tmp_path)
    index_path("imagenet_vid", folder).unlink(missing_ok=True)
    for frame in range(20):
        (folder / f"Data/VID/train/{VID_PARTS[0]}/{frame:06d}.JPEG").unlink()
    with pytest.raises(PreparationError, match=r"20 of 120 pictures .*(.|\n)*000009(.|\n)*and 10 more"):
        prepare("imagenet_vid", folder, workers=1)
    assert not index_path("imagenet_vid", folder).exists()


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


def test_hidden_files_are_no_annotations(ilsvrc_folder, youtube_vos_folder, tmp_path):
    """macOS leaves them beside all files on disks of other systems: more than are allowed to be broken."""
    for kind, original in (("imagenet_vid", ilsvrc_folder), ("youtube_vos", youtube_vos_folder)):
        folder = fresh(original, tmp_path)
        for path in [path for path in folder.rglob("*") if path.suffix in (".xml", ".jpg", ".png")]:
            path.with_name(f"._{path.name}").write_bytes(b"a resource fork")
        assert prepare(kind, folder, workers=1).broken == []
        if kind == "youtube_vos":
            assert load_index(kind, folder)[0].time.max() == 7
