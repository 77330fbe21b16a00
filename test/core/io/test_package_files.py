"""Configurations and weights are found by name, from the repository and from an installed package."""

import sys
from pathlib import Path

import pytest

from siammaskpp_core.io import package_files
from siammaskpp_core.io.package_files import ABLATIONS, NETWORKS, configuration, package_file, weights

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["lite", "lite.yaml", "config/networks/lite.yaml"])
def test_a_configuration_has_a_name_and_a_path(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert configuration(Path(name), NETWORKS) == ROOT / "config/networks/lite.yaml"
    assert configuration(Path("lite"), ABLATIONS) == ROOT / "config/ablations/lite.yaml"


def test_a_file_of_the_user_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lite.yaml").write_text("")
    assert configuration(Path("lite.yaml"), NETWORKS) == Path("lite.yaml")
    assert configuration(Path("sub/lite.yaml"), NETWORKS) == Path("sub/lite.yaml")  # for the reader's error
    assert configuration(Path("none"), NETWORKS) == Path("none")


def test_pip_puts_files_below_its_prefix(tmp_path, monkeypatch):
    monkeypatch.setattr(package_files, "__file__", str(tmp_path / "siammaskpp_core/io/package_files.py"))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    assert package_file("msg/Box.msg") is None
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    path = tmp_path / "share/siammaskpp/msg/Box.msg"
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert package_file("msg/Box.msg") == path


def test_weights_are_named_as_their_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert weights(Path("lite")) == ROOT / "siammaskpp_core/weights/lite/weights.pt"
    assert weights(Path("runs/lite")) == Path("runs/lite")
    Path("lite").write_text("")
    assert weights(Path("lite")) == Path("lite")
