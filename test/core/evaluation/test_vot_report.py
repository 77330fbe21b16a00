"""Tables and the accuracy-robustness plot of invented VOT scores."""

import json

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from siammaskpp_core.evaluation.vot.report import (
    PLOT,
    PUBLISHED,
    VotScore,
    draw_plot,
    experiment_report,
    markdown,
    plot_figure,
    reliability,
    report,
    write_report,
)

VOT_FRAMES = {2016: 21455, 2018: 21356, 2019: 19935}


@pytest.fixture
def experiments():
    supervised = {
        "baseline": {"me": VotScore(0.6, 0.25, 0.4, 400, 0), "other": VotScore(0.5, 1.5, None, 380, 0)},
        "realtime": {"me": VotScore(0.55, 0.5, 0.3, 395, 90), "other": VotScore(0.5, 1.5, 0.1, 380, 0)},
    }
    masks = {"baseline": {"me": VotScore(0.7, 0.9, 0.6, 300, 0), "other": VotScore(0.4, 0.8, 0.3, 300, 0)}}
    return {
        "supervised": experiment_report("vot2018/shortterm", (56, 200), [150, 250], supervised),
        "multi_start": experiment_report("vot2020/shortterm", (42, 150), [150], masks),
    }


def sections(text: str) -> dict[str, list[list[str]]]:
    """Return the rows of the table under each heading."""
    found: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        if line.startswith("## "):
            rows = found[line.removeprefix("## ")] = []
        elif line.startswith("|") and not set(line) <= set("|-: "):
            rows.append([cell.strip() for cell in line.split("|")[1:-1]])
    return found


def test_measured_rows_stand_above_the_published_ones(experiments):
    tables = sections(markdown(report(experiments, 2018)))
    assert list(tables) == [
        "Supervised experiment",
        "Supervised experiment, in real time",
        "Multi-start experiment on masks",
    ]
    assert tables["Supervised experiment"] == [
        ["Tracker", "measured on", "accuracy", "robustness", "EAO"],
        ["me", "this folder", "0.600", "0.250", "0.400"],
        ["other", "this folder", "0.500", "1.500", "-"],
        ["SiamMask bi", "VOT2018, published", "0.612", "0.417", "0.297"],
        ["SiamMask++ bi", "VOT2018, published", "0.603", "0.318", "0.366"],
        ["SiamMask re", "VOT2018, published", "0.601", "0.417", "0.321"],
        ["SiamMask++ re", "VOT2018, published", "0.626", "0.262", "0.398"],
    ]
    assert tables["Supervised experiment, in real time"][1] == [
        "me",
        "this folder",
        "0.550",
        "0.500",
        "0.300",
        "90 of 395",
    ]
    assert len(tables["Multi-start experiment on masks"]) == 3, "nothing was published on masks"
    assert len(sections(markdown(report(experiments, None)))["Supervised experiment"]) == 3 + len(PUBLISHED)


def test_the_note_tells_the_rules(experiments):
    assert (
        "Rules: vot2018/shortterm. Sequences: 2, frames: 400. Robustness: failures per 100 frames, less is "
        "better. EAO interval: 56 to 200 frames."
    ) in markdown(report(experiments, None))


def test_published_robustness_is_failures_per_100_frames():
    for row in PUBLISHED:
        failures = row.robustness / 100 * VOT_FRAMES[row.year]
        rounding = 0.0005 / 100 * VOT_FRAMES[row.year]
        assert failures == pytest.approx(round(failures), abs=rounding), row


def test_the_files_of_a_report(experiments, tmp_path):
    result = report(experiments, 2019)
    write_report(result, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == result
    me = result["supervised"]["trackers"]["realtime"]["me"]
    assert me == {"accuracy": 0.55, "robustness": 0.5, "eao": 0.3, "frames": 395, "skipped": 90}
    page = (tmp_path / "report.md").read_text()
    assert f"]({PLOT})" in page
    assert markdown(result) in page


def test_the_plot(experiments, tmp_path):
    # One failure in 400 frames, seen over 30 frames.
    assert reliability("supervised", 0.25) == pytest.approx(np.exp(-30 / 400))
    assert reliability("multi_start", 0.9) == 0.9
    result = report(experiments, None)
    supervised, masks = plot_figure(result).axes
    points = {dots.get_label(): dots.get_offsets().tolist()[0] for dots in supervised.collections}
    assert points["me"] == pytest.approx([np.exp(-30 / 400), 0.6])
    assert points["me, in real time"] == pytest.approx([np.exp(-30 / 200), 0.55])
    assert [dots.get_label() for dots in masks.collections] == ["me", "other"]
    draw_plot(result, tmp_path)
    assert (tmp_path / PLOT).stat().st_size > 10_000
