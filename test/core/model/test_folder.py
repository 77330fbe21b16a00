"""Model folders from strangers: whatever the graphs need lies under the SHA-256 of model.yaml."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from siammaskpp_core.engines.load import DEFAULT_MODEL, load_tracker
from siammaskpp_core.model.folder import ModelError, read_model, write_description
from siammaskpp_core.model.onnx_file import has_external_data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEFAULT_MODEL, tmp_path / "model", ignore=shutil.ignore_patterns("*.pt")))


def describe_again(folder: Path) -> None:
    """Write the SHA-256 of the graphs as they are now."""
    model = read_model(DEFAULT_MODEL)
    write_description(folder, model.network, model.tracking, model.precision)


@pytest.mark.parametrize("where", ["initializer", "node"])
def test_weights_in_another_file_are_refused(where: str, folder: Path) -> None:
    """The file beside the graph could be changed, or be any file of the machine, and no digest would tell."""
    onnx = pytest.importorskip("onnx")
    path = folder / "template.onnx"
    if where == "initializer":
        onnx.save(
            onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=64
        )
        assert (folder / "weights.bin").stat().st_size > 1000
    else:
        model = onnx.load(path)
        tensor = onnx.numpy_helper.from_array(np.ones(4, np.float32))
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")
        model.graph.node.append(onnx.helper.make_node("Constant", [], ["stranger"], value=tensor))
        path.write_bytes(model.SerializeToString())
    describe_again(folder)
    with pytest.raises(ModelError, match=r"template\.onnx keeps weights in other files.*export the model"):
        load_tracker(folder)


def test_the_default_model_has_all_weights_in_its_graphs() -> None:
    for path in DEFAULT_MODEL.glob("*.onnx"):
        assert not has_external_data(path.read_bytes())


def test_the_licence_travels_with_the_weights(folder: Path) -> None:
    assert read_model(DEFAULT_MODEL).license == "Apache-2.0 AND LicenseRef-training-data"
    describe_again(folder)
    assert read_model(folder).license == ""
    assert "license" not in yaml.safe_load((folder / "model.yaml").read_text())


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"no graph at all, but a text", b"\x3a\xff\xff\x7f"])
def test_a_file_that_is_no_graph(content: bytes, folder: Path) -> None:
    (folder / "template.onnx").write_bytes(content)
    describe_again(folder)
    with pytest.raises(ModelError, match=r"template\.onnx"):
        load_tracker(folder)


@pytest.mark.parametrize("key", ["network", "tracking", "sha256", "precision"])
def test_a_description_with_values_of_other_kinds(key: str, folder: Path) -> None:
    path = folder / "model.yaml"
    content = yaml.safe_load(path.read_text())
    for value in (None, 7, "text", ["a", "b"], {"a": {}}, [["x"] * 1000]):
        path.write_text(yaml.safe_dump({**content, key: value}))
        with pytest.raises(ModelError) as caught:
            read_model(folder)
        assert str(path) in str(caught.value)
        assert len(str(caught.value)) < 3000
