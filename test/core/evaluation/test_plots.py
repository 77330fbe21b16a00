"""The plots of a report."""

import numpy as np
import pytest

from siammaskpp_core.evaluation.metrics import Curves
from siammaskpp_core.evaluation.one_pass import SequenceScore
from siammaskpp_core.evaluation.report import report

pytest.importorskip("matplotlib")
from siammaskpp_core.evaluation.plots import CURVES, curve_figure, draw_plots, sequence_figure


def score(level: float, mask: float | None = None) -> SequenceScore:
    curves = Curves(np.full(21, level), np.full(51, level / 2), np.full(51, level / 4))
    return SequenceScore(curves, mask, mask, 10, 1.0)


@pytest.fixture
def result():
    return report(
        {
            "me": {"cup": score(0.2, mask=0.6), "dog": score(0.4)},
            "other": {"cup": score(0.4), "dog": score(0.4)},
        }
    )


@pytest.mark.parametrize(
    ("kind", "best", "legend"),
    [
        ("success", 0.4, ["other  0.400", "me  0.300"]),
        ("precision", 0.2, ["other  0.200", "me  0.150"]),
        ("normalised_precision", 0.1, ["other  0.100", "me  0.075"]),
    ],
)
def test_curves_are_the_means_and_the_legend_begins_with_the_best(result, kind, best, legend):
    (axes,) = curve_figure(result, kind).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == legend
    line = axes.get_lines()[0]
    assert line.get_xdata() == pytest.approx(result["thresholds"][kind])
    assert line.get_ydata() == pytest.approx([best] * len(result["thresholds"][kind]))
    assert "2 sequences" in axes.get_title()


def test_a_tracker_has_one_colour_in_all_plots(result):
    colours = set()
    for kind in CURVES:
        lines = curve_figure(result, kind).axes[0].get_lines()
        colours.add(tuple(line.get_color() for line in lines if line.get_label().startswith(("me", "other"))))
    assert len(colours) == 1
    assert len(set(*colours)) == 2


def test_the_table_has_a_cell_for_every_value(result):
    figure = sequence_figure(result)
    auc, _, _, region, _ = figure.axes
    assert [[text.get_text() for text in axes.texts] for axes in (auc, region)] == [
        ["0.20", "0.40", "0.40", "0.40", "0.30", "0.40"],
        ["0.60", "-", "0.60"],
    ]
    assert [text.get_weight() == "bold" for text in auc.texts] == [False, True, True, True, False, True]
    assert [label.get_text() for label in auc.get_yticklabels()] == ["cup", "dog", "mean"]
    assert [label.get_text() for label in region.get_xticklabels()] == ["me"]


def test_pictures_are_drawn(result, tmp_path):
    draw_plots(result, tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["normalised_precision.png", "precision.png", "sequences.png", "success.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
