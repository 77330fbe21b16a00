"""The report of two trackers on two sequences, whose scores are made up."""

import json
import re

import numpy as np
import pytest

from siammaskpp_core.evaluation.metrics import Curves
from siammaskpp_core.evaluation.one_pass import SequenceScore
from siammaskpp_core.evaluation.report import (
    markdown,
    measured,
    overall_table,
    report,
    sequence_table,
    write_report,
)


def score(level: float, mask: float | None = None, frames: int = 10, seconds: float = 2.0) -> SequenceScore:
    """Return a score whose curves are `level` at every threshold, for the centre errors from the 20th on."""
    precision = np.where(np.arange(51) < 20, 0, level)
    curves = Curves(np.full(21, level), precision, precision)
    return SequenceScore(curves, mask, mask, frames, seconds)


@pytest.fixture
def result():
    return report(
        {
            "me": {"cup": score(0.25, mask=0.5), "dog": score(0.75, frames=30)},
            "other": {"cup": score(0.5), "dog": score(1.0, frames=30, seconds=0.0)},
        }
    )


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]


def test_means_over_sequences_and_frames(result):
    me, other = result["trackers"]["me"], result["trackers"]["other"]
    assert (me["auc"], me["precision"]) == (0.5, 0.5)
    assert me["normalised_precision"] == pytest.approx(0.5 * 31 / 51, abs=5e-5)
    assert me["curves"]["precision"] == [0] * 20 + [0.5] * 31
    assert (me["frames"], me["fps"], other["fps"]) == (40, 10.0, 20.0)
    assert (me["J"], me["F"], other["J"]) == (0.5, 0.5, None)
    assert (other["sequences"]["dog"]["auc"], other["sequences"]["dog"]["fps"]) == (1, None)


def test_thresholds_belong_to_the_curves(result):
    thresholds = result["thresholds"]
    assert thresholds["success"][:3] == [0, 0.05, 0.1]
    assert thresholds["precision"][20] == 20
    assert thresholds["normalised_precision"][-1] == 0.5
    curves = result["trackers"]["me"]["curves"]
    assert {name: len(values) for name, values in curves.items()} == {
        name: len(values) for name, values in thresholds.items()
    }


def test_the_overall_table(result):
    table = overall_table(result)
    assert len({len(line) for line in table.splitlines()}) == 1
    assert [row for row in cells(table) if "-" * 5 not in row[0]] == [
        ["Tracker", "Success AUC", "Precision at 20 px", "Normalised precision", "J", "F", "FPS"],
        ["me", "0.500", "0.500", "0.304", "0.500", "0.500", "10.0"],
        ["other", "0.750", "0.750", "0.456", "-", "-", "20.0"],
    ]


def test_tables_of_sequences_leave_out_trackers_without_the_value(result):
    head, _, *rows = cells(sequence_table(result, "precision"))
    assert head == ["Sequence", "Frames", "me", "other"]
    assert rows == [["cup", "10", "0.250", "0.500"], ["dog", "30", "0.750", "1.000"]]
    head, _, *rows = cells(sequence_table(result, "J"))
    assert head == ["Sequence", "Frames", "me"]
    assert rows == [["cup", "10", "0.500"], ["dog", "30", "-"]]
    assert measured(report({"other": {"cup": score(0.5)}})) == ["auc", "precision", "normalised_precision"]


def test_a_narrow_column_is_still_a_markdown_column(result):
    for table in (overall_table(result), sequence_table(result, "auc")):
        assert all(re.fullmatch(r"-{2,}[-:]", rule) for rule in cells(table)[1])


def test_the_report_holds_every_table_and_is_valid_json(result, tmp_path):
    sheets = {name: tmp_path / f"failure_examples/{name}.jpg" for name in ("dog", "cup")}
    write_report(result, tmp_path, sheets)
    text = (tmp_path / "report.md").read_text()
    assert "One pass over 2 sequences, 40 frames." in text
    for table in (overall_table(result), *(sequence_table(result, key) for key in measured(result))):
        assert f"\n\n{table}\n" in text
    harder = report({"me": {"cup": score(0.25)}}, "small", 7)
    assert (harder["stress"], harder["noise_seed"]) == ("small", 7)
    assert "One pass over 1 sequences, 10 frames, stress small, noise seed 7." in markdown(harder)
    # The worst sequence of the first tracker first.
    links = re.findall(r"^- \[(\w+)\]\((.*)\), success AUC (.*)$", text, re.MULTILINE)
    assert links == [
        ("cup", "failure_examples/cup.jpg", "0.250"),
        ("dog", "failure_examples/dog.jpg", "0.750"),
    ]

    def refuse(constant):
        pytest.fail(f"{constant} is not JSON")

    assert json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse) == result
