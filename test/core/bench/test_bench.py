"""The measurements and the output of `siammaskpp bench`."""

import json
import re
import shutil

import numpy as np
import pytest

from siammaskpp_core.bench import steps
from siammaskpp_core.bench.report import relate, statistics, text
from siammaskpp_core.bench.scene import moving_objects
from siammaskpp_core.cli import main as cli
from siammaskpp_core.engines.load import DEFAULT_MODEL
from siammaskpp_core.tracking.boxes import checked_box

STAGES = {"crop": 1.0, "search": 2.0, "decode": 3.0, "refine": 4.0, "paste": 5.0}


class Counting:
    """Stands in for a Tracker; counts the targets of its steps."""

    def __init__(self):
        self.steps = []
        self.timings = STAGES

    def init(self, image, box):
        return box, None

    def step(self, image, targets):
        self.steps.append((image.shape, len(targets)))
        return [(target, None) for target in targets]


def test_the_first_frames_are_not_counted():
    small, large = Counting(), Counting()
    times = steps.measure([(small, (160, 120), 2), (large, (320, 240), 1)], 3)
    assert [len(stages["total"]) for stages in times] == [3, 3]
    assert small.steps == [((120, 160, 3), 2)] * (3 + steps.WARM_UP_FRAMES)
    assert large.steps == [((240, 320, 3), 1)] * (3 + steps.WARM_UP_FRAMES)
    assert times[0]["refine"] == [4.0] * 3


def test_statistics_by_hand():
    result = statistics({"search": [4.0, 5.0, 6.0], "refine": [2.0, 2.0, 2.0], "total": [10.0, 20.0, 30.0]})
    # The 95th percentile lies 0.9 of the way from the second to the third value.
    assert result["stages"]["total"] == {"median_ms": 20.0, "p95_ms": 29.0}
    assert result["stages"]["overhead"]["median_ms"] == 13.0
    assert result["fps"] == 50.0


def row(engine: str, total: float, **others):
    stages = {"search": 100.0, "refine": 100.0, "total": total}
    return {
        "model": "m",
        "backbone": "resnet50",
        "engine": engine,
        "precision": "fp32",
        "size": [640, 480],
        "targets": 1,
        "stages": {name: {"median_ms": value, "p95_ms": value} for name, value in stages.items()},
        "fps": 1e3 / total,
        **others,
    }


def test_what_follows_from_other_rows():
    rows = [
        row("onnxruntime", 250.0, gflop={"search": 15.0, "refine": 5.0}, peak_gflops=200.0),
        row("onnxruntime", 600.0, targets=3),
        row("reference", 1000.0),
        row("onnxruntime", 125.0, model="int8"),
        row("onnxruntime", 10.0, backbone="efficientnet_lite0"),
    ]
    relate(rows, "reference")
    assert rows[0]["fraction_of_peak"] == 0.5  # 20 GFLOP in 0.2 s
    assert [r.get("times_faster") for r in rows] == [4.0, None, None, 8.0, None]
    assert [r.get("times_one_target") for r in rows] == [None, 2.4, None, None, None]


def test_the_table_has_every_case():
    rows = [row("onnxruntime", 250.0), row("reference", 1000.0)]
    relate(rows, "reference")
    lines = text({"frames": 3, "steps": rows, "peak_rss_mb": 1.0, "machine": {"cores": 2}}).splitlines()
    names, *cases = ([cell.strip() for cell in re.split("  +", line.strip())] for line in lines[1:4])
    table = [dict(zip(names, case, strict=True)) for case in cases]
    assert [case["engine"] for case in table] == ["onnxruntime", "reference"]
    assert [case["total"] for case in table] == ["250.00", "1000.00"]
    assert [case["fps"] for case in table] == ["4.0", "1.0"]
    assert [case["x reference"] for case in table] == ["4.00", "-"]
    assert len({len(line) for line in lines[1:4]}) == 1, "aligned"


def test_the_scene_has_the_objects_where_it_says():
    scene = moving_objects((160, 120), 2)
    first, boxes = next(scene)
    assert first.shape == (120, 160, 3)
    for box in boxes:
        assert np.array_equal(checked_box(box, 160, 120), box), "inside the image"
    second, moved = [next(scene) for _ in range(10)][-1]
    assert moved != boxes
    assert (first != second).any()


def test_the_shipped_network_on_one_engine(capsys):
    arguments = ["bench", "--size", "160x120,320x240", "--targets", "1,2", "--frames", "1", "--threads", "1"]
    assert cli.main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [(row["size"], row["targets"]) for row in result["steps"]] == [
        ([160, 120], 1),
        ([160, 120], 2),
        ([320, 240], 1),
        ([320, 240], 2),
    ]
    stages = ["crop", "search", "decode", "refine", "paste", "total", "overhead"]
    for row in result["steps"]:
        assert list(row["stages"]) == stages
        assert row["model"] == "lite"
        assert (row["engine"], row["precision"]) == ("onnxruntime", "fp32")
        assert sum(row["stages"][name]["median_ms"] for name in stages[:5]) == pytest.approx(
            row["stages"]["total"]["median_ms"], rel=0.1
        )
    assert result["steps"][1]["times_one_target"] > 1
    assert result["peak_rss_mb"] > 10
    assert result["machine"]["cores"] >= 1


def test_the_reference_needs_the_weights(tmp_path, capsys):
    folder = shutil.copytree(DEFAULT_MODEL, tmp_path / "lite", ignore=shutil.ignore_patterns("*.pt"))
    assert cli.main(["bench", "--model", str(folder), "--reference", "--frames", "1"]) == 2
    answer = capsys.readouterr()
    assert answer.out == ""
    for words in ("lite/weights.pt is missing", "siammaskpp export", "leave out --reference"):
        assert words in answer.err
