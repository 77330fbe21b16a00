"""Times of the stages of a step, and the output of `siammaskpp bench`."""

import json
import shutil

import pytest

from siammaskpp_core.bench import steps
from siammaskpp_core.cli import main as cli
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import read_model

STAGES = {"crop": 1.0, "search": 2.0, "decode": 3.0, "decide": 0.5, "refine": 4.0, "paste": 5.0, "learn": 0.7}


class Counting:
    """Stands in for a LongTermTracker; counts the targets of its steps."""

    def __init__(self):
        self.steps = []
        self.timings = STAGES

    def init(self, image, box):
        return box, None

    def step(self, image, targets, stamp_ns, config):
        self.steps.append((image.shape, len(targets)))
        return [None for _ in targets]


def test_the_first_frames_are_not_counted():
    small, large = Counting(), Counting()
    times = steps.measure([(small, (160, 120), 2), (large, (320, 240), 1)], 3)
    assert [len(stages["total"]) for stages in times] == [3, 3]
    assert small.steps == [((120, 160, 3), 2)] * (3 + steps.WARM_UP_FRAMES)
    assert large.steps == [((240, 320, 3), 1)] * (3 + steps.WARM_UP_FRAMES)
    assert times[0]["refine"] == [4.0] * 3


@pytest.mark.usefixtures("quick_peak")
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
    stages = ["crop", "search", "decode", "decide", "refine", "paste", "learn", "total", "overhead"]
    for row in result["steps"]:
        assert list(row["stages"]) == stages
        assert row["model"] == "lite"
        assert (row["engine"], row["precision"]) == ("onnxruntime", "fp32")
        assert sum(row["stages"][name]["median_ms"] for name in stages[:7]) == pytest.approx(
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


def test_the_engine_that_is_measured_is_named(capsys):
    arguments = ["bench", "--engine", "auto", "--size", "160x120", "--targets", "1", "--frames", "1"]
    assert cli.main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    engine = load_engine(read_model(DEFAULT_MODEL), EngineOptions("auto")).name
    assert [row["engine"] for row in result["steps"]] == [engine]
    assert engine in result["machine"]
