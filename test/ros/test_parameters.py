"""One dataclass gives descriptors, checks and config/tracker.yaml."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from rclpy.parameter import Parameter

from siammaskpp_core.config import ConfigError, spec_of
from siammaskpp_ros.parameters import (
    RUNTIME_PARAMETERS,
    NodeConfig,
    changed,
    descriptor,
    markdown_table,
    yaml_text,
)

ROOT = Path(__file__).parents[2]


def test_the_yaml_file_is_written_from_the_dataclass() -> None:
    text = (ROOT / "config" / "tracker.yaml").read_text(encoding="utf-8")
    assert text == yaml_text(), "run: python -m siammaskpp_ros.parameters > config/tracker.yaml"
    values = yaml.safe_load(text)["/**/tracker_node"]["ros__parameters"]
    assert NodeConfig(**values) == NodeConfig()
    assert {name: type(value) for name, value in values.items()} == {
        item.name: type(item.default) for item in fields(NodeConfig)
    }


def test_the_readme_shows_the_same_parameters() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert markdown_table() in text, "run: python -m siammaskpp_ros.parameters --markdown"


def test_every_parameter_is_described_and_bounded() -> None:
    for item in fields(NodeConfig):
        result = descriptor(spec_of(item), item.default, item.name)
        assert result.description, item.name
        assert item.name in markdown_table()
        if isinstance(item.default, float):
            assert result.floating_point_range[0].to_value < float("inf"), item.name
        elif isinstance(item.default, int) and not isinstance(item.default, bool):
            assert result.integer_range[0].from_value < result.integer_range[0].to_value, item.name


def test_thresholds_change_at_run_time_and_must_be_in_order() -> None:
    config = NodeConfig()
    result, after = changed(config, [Parameter("score_lost", value=0.4)], is_configured=True)
    assert result.successful
    assert after.score_lost == 0.4
    result, after = changed(config, [Parameter("score_lost", value=0.6)], is_configured=True)
    assert not result.successful
    assert "above score_uncertain" in result.reason
    assert after is config
    both = [Parameter("score_lost", value=0.6), Parameter("score_uncertain", value=0.7)]
    assert changed(config, both, is_configured=True)[0].successful


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("score_lost", 1.5, "outside [0, 1]"),
        ("score_lost", float("nan"), "finite"),
        ("score_lost", "high", "float is expected"),
        ("max_targets", 0, "outside [1, 254]"),
        ("engine", "abacus", "not one of"),
        ("compressed", 1, "bool is expected"),
    ],
)
def test_bad_values_are_rejected_with_a_reason(name: str, value: object, reason: str) -> None:
    result, after = changed(NodeConfig(), [Parameter(name, value=value)], is_configured=False)
    assert not result.successful
    assert name in result.reason
    assert reason in result.reason
    assert after == NodeConfig()


def test_what_is_read_at_configuration_waits_for_cleanup() -> None:
    for item in fields(NodeConfig):
        if item.name in RUNTIME_PARAMETERS or not isinstance(item.default, bool):
            continue
        change = [Parameter(item.name, value=not item.default)]
        result, _ = changed(NodeConfig(), change, is_configured=True)
        assert not result.successful
        assert "clean up" in result.reason
        assert changed(NodeConfig(), change, is_configured=False)[0].successful


def test_parameters_of_others_are_left_alone() -> None:
    result, after = changed(NodeConfig(), [Parameter("use_sim_time", value=True)], is_configured=True)
    assert result.successful
    assert after == NodeConfig()


def test_the_thresholds_given_at_start_must_be_in_order() -> None:
    with pytest.raises(ConfigError, match="score_lost"):
        NodeConfig(score_lost=0.9)
