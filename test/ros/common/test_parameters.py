"""ROS descriptors, checks, config/tracker.yaml and the node's page come from one dataclass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import rclpy
import yaml
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from ros_harness import FAKE_NODE, Client, NodeProcess

from siammaskpp_core.config import Checked, ConfigError, Option, from_mapping, option, options_of, to_mapping
from siammaskpp_core.tracking import LongTermConfig
from siammaskpp_ros.common.parameters import changed, declare, descriptor
from siammaskpp_ros.tracker.parameters import FIXED_BECAUSE, NodeConfig
from tools.node_docs import parameter_table
from tools.parameter_files import yaml_text

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class CameraOptions(Checked):
    image: str = option("", "A text that may look like a number")


OPTIONS = options_of(NodeConfig)
RUNTIME_PARAMETERS = {item.name for item in OPTIONS if item.spec.at_run_time}


def test_the_yaml_file_is_written_from_the_dataclass() -> None:
    text = (ROOT / "config" / "tracker.yaml").read_text(encoding="utf-8")
    command = "python -m tools.parameter_files tracker > config/tracker.yaml"
    assert text == yaml_text("tracker_node"), f"run: {command}"
    values = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert from_mapping(NodeConfig, values) == NodeConfig()
    assert {name: type(value) for name, value in values.items()} == {
        item.name: type(item.default) for item in OPTIONS
    }


def test_the_page_of_the_node_shows_the_same_parameters() -> None:
    text = (ROOT / "docs" / "nodes" / "tracker_node.md").read_text(encoding="utf-8")
    assert parameter_table(NodeConfig) in text, "run: python -m tools.node_docs"


def test_every_parameter_is_described_and_bounded() -> None:
    for item in OPTIONS:
        result = descriptor(item)
        assert result.description, item.name
        assert item.name in parameter_table(NodeConfig)
        if isinstance(item.default, float):
            assert result.floating_point_range[0].to_value < float("inf"), item.name
        elif isinstance(item.default, int) and not isinstance(item.default, bool):
            assert result.integer_range[0].from_value < result.integer_range[0].to_value, item.name


def test_thresholds_change_at_run_time_and_must_be_in_order() -> None:
    config = NodeConfig()
    result, after = changed(config, [Parameter("confidence_low", value=0.4)], FIXED_BECAUSE)
    assert result.successful
    assert after.tracking.confidence_low == 0.4
    result, after = changed(config, [Parameter("confidence_low", value=0.6)], FIXED_BECAUSE)
    assert not result.successful
    assert "above confidence_high" in result.reason
    assert after is config
    both = [Parameter("confidence_low", value=0.6), Parameter("confidence_high", value=0.7)]
    assert changed(config, both, FIXED_BECAUSE)[0].successful


def bad_values(item: Option) -> list[tuple[object, str]]:
    """Return values that a parameter must refuse, with a part of the reason."""
    spec, default = item.spec, item.default
    if isinstance(default, bool):
        return [(1, "bool is expected"), ("true", "bool is expected")]
    if isinstance(default, str):
        other = [("abacus", "not one of")] if spec.choices else []
        return [*other, (7, "str is expected")]
    kind = type(default)
    assert spec.low is not None
    assert spec.high is not None
    numbers = [(kind(spec.low - 1), f"outside {spec.range_text()}"), (kind(spec.high + 1), "outside [")]
    if kind is float:
        numbers += [(float("nan"), "not a finite number"), (float("inf"), "not a finite number")]
    return [*numbers, ("many", f"{kind.__name__} is expected")]


def another(item: Option) -> object:
    """Return an allowed value that differs from the default."""
    spec, default = item.spec, item.default
    if isinstance(default, bool):
        return not default
    if isinstance(default, str):
        return next(choice for choice in spec.choices if choice != default) if spec.choices else "another"
    return type(default)(default + 0.125 * (spec.high - default) if default < spec.high else spec.low)


@pytest.mark.parametrize("item", OPTIONS, ids=lambda item: item.name)
def test_bad_values_are_rejected_with_a_reason(item: Option) -> None:
    for value, reason in bad_values(item):
        result, after = changed(NodeConfig(), [Parameter(item.name, value=value)], "")
        assert not result.successful, value
        assert item.name in result.reason
        assert reason in result.reason
        assert after == NodeConfig()


@pytest.mark.parametrize("item", OPTIONS, ids=lambda item: item.name)
def test_what_is_read_at_configuration_waits_for_cleanup(item: Option) -> None:
    change = [Parameter(item.name, value=another(item))]
    result, after = changed(NodeConfig(), change, FIXED_BECAUSE)
    if item.name in RUNTIME_PARAMETERS:
        assert result.successful, result.reason
        assert to_mapping(after)[item.name] == another(item)
    else:
        assert "deactivate and clean up the node first" in result.reason
        assert after == NodeConfig()
        assert changed(NodeConfig(), change, "")[0].successful


@pytest.mark.ros
def test_the_running_node_refuses_and_takes_them(client: Client, domain_id: int) -> None:
    process = NodeProcess([*FAKE_NODE, "0.0"], domain_id)
    try:
        client.until(lambda: client.statuses, "the node is there")
        bad = [(item.name, value) for item in OPTIONS for value, _ in bad_values(item)]
        for (name, value), result in zip(bad, set_one_by_one(client, bad), strict=True):
            assert not result.successful, (name, value)
            # rclpy itself refuses wrong types and read-only parameters, without the name in the reason.
            assert any(word in result.reason for word in (name, "Wrong parameter type", "read-only")), name

        good = [(item.name, another(item)) for item in OPTIONS]
        for (name, _), result in zip(good, set_one_by_one(client, good), strict=True):
            assert result.successful == (name in RUNTIME_PARAMETERS), (name, result.reason)
            assert result.successful or result.reason
        names = [name for name, _ in good]
        answer = client.call(GetParameters, "tracker_node/get_parameters", GetParameters.Request(names=names))
        now = {
            name: parameter_value_to_python(value) for name, value in zip(names, answer.values, strict=True)
        }
        for item in OPTIONS:
            expected = another(item) if item.name in RUNTIME_PARAMETERS else item.default
            assert now[item.name] == pytest.approx(expected), item.name
    finally:
        process.end()


def set_one_by_one(client: Client, values: list[tuple[str, object]]) -> list:
    request = SetParameters.Request()
    request.parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values]
    return list(client.call(SetParameters, "tracker_node/set_parameters", request).results)


@pytest.fixture
def create(domain_id: int) -> Iterator[Callable[..., Node]]:
    """A function that makes a node as from a command line with these ROS arguments."""
    context = Context()
    rclpy.init(context=context, domain_id=domain_id)
    nodes: list[Node] = []

    def make(*arguments: str) -> Node:
        nodes.append(rclpy.create_node("node", context=context, cli_args=["--ros-args", *arguments]))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown(context=context)


@pytest.mark.ros
def test_a_number_may_be_written_as_another_type_at_start(create: Callable[..., Node]) -> None:
    texts = ("object_size_m:=1", "detection_class:=0", "threads:=2.0", "depth:=1", "lost_after_s:=3")
    node = create(*(part for text in texts for part in ("-p", text)))
    config = declare(node, NodeConfig)
    assert (config.pose.object_size_m, config.detection_class) == (1.0, "0")
    assert (config.engine.threads, config.pose.depth, config.tracking.lost_after_s) == (2, True, 3.0)
    assert type(node.get_parameter("object_size_m").value) is float
    assert declare(create("-p", "image:=9"), CameraOptions).image == "9"


@pytest.mark.ros
@pytest.mark.skipif(not hasattr(Node, "add_pre_set_parameters_callback"), reason="this rclpy cannot do it")
def test_a_whole_number_may_be_written_without_a_point_at_run_time(client: Client, domain_id: int) -> None:
    """`ros2 param set /tracker_node lost_after_s 3` sends an integer."""
    process = NodeProcess([*FAKE_NODE, "0.0"], domain_id)
    try:
        client.until(lambda: client.statuses, "the node is there")
        values = [("lost_after_s", 3), ("confidence_high", 3), ("lost_after_s", True)]
        taken, too_large, other = set_one_by_one(client, values)
        assert taken.successful, taken.reason
        assert not too_large.successful
        assert "confidence_high" in too_large.reason
        assert "Wrong parameter type" in other.reason
        request = GetParameters.Request(names=["lost_after_s"])
        (now,) = client.call(GetParameters, "tracker_node/get_parameters", request).values
        assert (now.type, now.double_value) == (ParameterType.PARAMETER_DOUBLE, 3.0)
    finally:
        process.end()


@pytest.mark.ros
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("threads:=2.5", "threads: int is expected, not 2.5"),
        ("threads:=.inf", "threads: int is expected, not inf"),
        ("detection_class:=yes", "detection_class: str is expected, not True.*quotes"),
        ("depth:=2", "depth: bool is expected, not 2"),
        ("depth:=maybe", "depth: bool is expected, not 'maybe'"),
        ("object_size_m:=[1, 2]", "object_size_m: float is expected"),
    ],
)
def test_other_types_are_refused_at_start(create: Callable[..., Node], text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        declare(create("-p", text), NodeConfig)


@pytest.mark.ros
def test_a_number_out_of_range_is_refused_whatever_its_type(create: Callable[..., Node]) -> None:
    with pytest.raises((ConfigError, ParameterException), match="confidence_high"):
        declare(create("-p", "confidence_high:=3"), NodeConfig)


@pytest.mark.ros
def test_misspelt_parameters_are_named(
    create: Callable[..., Node], capfd: pytest.CaptureFixture[str]
) -> None:
    declare(create("-p", "confidence_hihg:=0.7"), NodeConfig)
    assert "no effect of confidence_hihg" in (text := capfd.readouterr().err)
    assert "did you mean confidence_high?" in text
    declare(create("-p", "use_sim_time:=true", "-p", "qos_overrides./x.publisher.depth:=1"), NodeConfig)
    assert "no effect" not in capfd.readouterr().err


@pytest.mark.ros
def test_the_parameter_file_holds_for_a_renamed_node(create: Callable[..., Node], tmp_path: Path) -> None:
    file = tmp_path / "tracker.yaml"
    file.write_text(yaml_text("tracker_node").replace("max_targets: 8", "max_targets: 3"), encoding="utf-8")
    for name in ("__node:=seeker", "__ns:=/robot"):
        assert declare(create("--params-file", str(file), "-r", name), NodeConfig).max_targets == 3
    line = ("--params-file", str(file), "-p", "max_targets:=5")
    assert declare(create(*line), NodeConfig).max_targets == 5


def test_parameters_of_others_are_left_alone() -> None:
    result, after = changed(NodeConfig(), [Parameter("use_sim_time", value=True)], FIXED_BECAUSE)
    assert result.successful
    assert after == NodeConfig()


def test_the_thresholds_given_at_start_must_be_in_order() -> None:
    with pytest.raises(ConfigError, match="confidence_low"):
        NodeConfig(tracking=LongTermConfig(confidence_low=0.9))
