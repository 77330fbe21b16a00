"""Sources are opened by name, and messages name what is missing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from siammaskpp_core.config import ConfigError, from_mapping
from siammaskpp_core.data.preparation.prepare import READERS, prepare
from siammaskpp_core.data.sources import open_source, open_sources
from siammaskpp_core.errors import UserError
from siammaskpp_core.training.config import TrainingConfig


def test_small_coco_file(data):
    """A small selection of COCO needs no preparation."""
    pytest.importorskip("pycocotools")
    source = open_source("coco:coco", data, 0)
    assert [source.scene(index) for index in range(len(source))] == [0, 1, 2, 3]
    sample = source.pair(0, np.random.default_rng(0))[0]
    assert sample.box_xywh.tolist() == [35, 35, 51, 51]
    assert not list((data / "coco").glob("*.npz"))


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


def test_the_papers_mixture(coco_folder, youtube_vos_folder, ilsvrc_folder, tmp_path):
    """The paper's configuration finds the four data sets and draws from all of them."""
    for package in ("torch", "pycocotools", "PIL"):
        pytest.importorskip(package)
    from siammaskpp_core.training.experiment import read_experiment
    from siammaskpp_core.training.pairs import PairDataset

    folders = {"coco": coco_folder, "youtube_vos": youtube_vos_folder}
    for kind in READERS:
        (tmp_path / kind).symlink_to(folders.get(kind, ilsvrc_folder))
        prepare(kind, tmp_path / kind, workers=1)
    path = Path(__file__).parents[4] / "config/networks/siammaskpp_base.yaml"
    experiment = read_experiment(path)
    network, training = experiment.network, experiment.training
    pairs = PairDataset(
        open_sources(training.sources, training.source_frame_ranges, tmp_path), training, network
    )
    drawn = [pairs[index] for index in range(60)]
    found = [(bool((pair.labels == 1).any()), bool((pair.cells >= 0).any())) for pair in drawn]
    # Negatives, objects with a box alone, objects with a mask; never a mask without a box.
    assert set(found) == {(False, False), (True, False), (True, True)}


def test_a_small_coco_file_of_other_tools(data, tmp_path):
    """Many tools leave out what they do not use; a picture that is broken does not spoil the others."""
    pytest.importorskip("pycocotools")
    folder = shutil.copytree(data / "coco", tmp_path / "coco")
    content = json.loads((folder / "instances.json").read_text())
    for annotation in content["annotations"]:
        del annotation["iscrowd"], annotation["category_id"]
    for image in content["images"]:
        del image["width"], image["height"]
    (folder / "instances.json").write_text(json.dumps(content), encoding="utf-8-sig")
    (folder / "images/1.jpg").write_bytes(b"")
    source = open_source("coco:coco", tmp_path, 0)
    assert len(source) == 3
    assert source.sample(0, np.random.default_rng(0)).box_xywh.tolist() == [35, 35, 51, 51]
    (message,) = source.left_out
    assert "1.jpg" in message
    assert source.same_class_in_other_scene(0, np.random.default_rng(0)) is None
