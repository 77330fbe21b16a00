"""Original data sets to prepare, made anew for each test file."""

import pytest


@pytest.fixture(scope="module")
def coco_folder(tmp_path_factory):
    return made("coco", tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="module")
def youtube_vos_folder(tmp_path_factory):
    return made("youtube_vos", tmp_path_factory.mktemp("youtube-vos"))


@pytest.fixture(scope="module")
def ilsvrc_folder(tmp_path_factory):
    return made("ilsvrc", tmp_path_factory.mktemp("ilsvrc") / "ILSVRC2015")


def made(kind, root):
    import drawn_data_sets

    getattr(drawn_data_sets, f"write_{kind}")(root)
    return root
