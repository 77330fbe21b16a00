"""The conditions for moving, without ROS: every doubt is a reason to stop."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from siammaskpp_core.io.stamps import NS_PER_S
from siammaskpp_core.tracking import State
from siammaskpp_ros.follow.conditions import Decision, Results, TargetPose, TargetState, decide
from siammaskpp_ros.follow.control import STOP, FollowConfig, next_command

CONFIG = FollowConfig(enabled=True)
FRAME = "camera_optical_frame"
NOW_NS = 1000 * NS_PER_S
PERSON, CUP = TargetState("person", State.TRACKING, True), TargetState("cup", State.TRACKING, True)


def results(*targets: TargetState, age_s: float = 0.0) -> Results:
    return Results(NOW_NS - int(age_s * NS_PER_S), FRAME, targets)


def pose(
    age_s: float = 0.0, frame_id: str = FRAME, x: float = 0.0, y: float = 0.0, z: float = 4.0
) -> TargetPose:
    return TargetPose(NOW_NS - int(age_s * NS_PER_S), frame_id, x, y, z)


def decision(
    *targets: TargetState, config: FollowConfig = CONFIG, followed: str = "", **poses: TargetPose
) -> Decision:
    return decide(config, followed, results(*targets), poses or {"person": pose()}, NOW_NS)


def stops(reason: str, answer: Decision) -> bool:
    return answer.target is None and not answer.may_drive and reason in answer.stop_reason


def test_it_drives_to_a_target_that_is_tracked() -> None:
    answer = decision(PERSON)
    assert answer.target is not None
    assert (answer.target.distance_m, answer.id, answer.may_drive, answer.stop_reason) == (
        4.0,
        "person",
        True,
        "",
    )


def test_it_only_turns_to_an_uncertain_target_whatever_the_others_are() -> None:
    uncertain = TargetState("person", State.UNCERTAIN, True)
    for others in ([], [CUP]):
        answer = decision(uncertain, *others, config=replace(CONFIG, target="person"))
        assert answer.target is not None
        assert not answer.may_drive


def test_it_stops_unless_it_is_enabled() -> None:
    assert stops("enabled", decision(PERSON, config=FollowConfig()))


def test_results_are_needed_and_must_be_fresh() -> None:
    poses = {"person": pose()}
    assert stops("tracked_objects", decide(CONFIG, "", None, poses, NOW_NS))
    assert decide(CONFIG, "", results(PERSON, age_s=0.4), poses, NOW_NS).target
    assert stops("older", decide(CONFIG, "", results(PERSON, age_s=0.41), poses, NOW_NS))
    assert stops("same clock", decide(CONFIG, "", results(PERSON, age_s=-1.0), poses, NOW_NS))


def test_a_pose_is_needed_and_must_be_fresh() -> None:
    assert stops("no pose of the target 'person'", decision(PERSON, cup=pose()))
    assert decision(PERSON, person=pose(age_s=0.4)).target
    assert stops("older", decision(PERSON, person=pose(age_s=0.41)))
    assert decision(PERSON, person=pose(age_s=-0.05)).target
    assert stops("same clock", decision(PERSON, person=pose(age_s=-1.0)))


@pytest.mark.parametrize("frame_id", ["", "map", "camera_link"])
def test_a_pose_must_be_in_the_frame_of_the_images(frame_id: str) -> None:
    assert stops("frame", decision(PERSON, person=pose(frame_id=frame_id)))


def test_results_and_pose_without_a_frame_do_not_count() -> None:
    nowhere = replace(results(PERSON), frame_id="")
    assert stops("frame", decide(CONFIG, "", nowhere, {"person": pose(frame_id="")}, NOW_NS))


@pytest.mark.parametrize(
    "target",
    [
        *(TargetState("person", state, False) for state in State),
        *(TargetState("person", state, True) for state in (State.LOST, 0, 77)),
    ],
)
def test_a_target_that_is_not_seen_stops_it(target: TargetState) -> None:
    assert stops("not seen", decision(target))


def test_with_an_id_twice_both_must_be_seen() -> None:
    assert stops("not seen", decision(PERSON, TargetState("person", State.LOST, False)))


def test_which_target_is_followed() -> None:
    poses = {"person": pose(), "cup": pose(z=3.0)}
    assert stops("no target", decision())
    assert stops("several targets (cup, person)", decision(PERSON, CUP, **poses))
    assert decision(PERSON, CUP, followed="person", **poses).id == "person"
    assert decision(PERSON, CUP, config=replace(CONFIG, target="cup"), followed="person", **poses).id == "cup"


@pytest.mark.parametrize("target", ["", "person"])
def test_the_followed_target_is_never_replaced_by_another(target: str) -> None:
    config = replace(CONFIG, target=target)
    answer = decision(CUP, config=config, followed="person", cup=pose())
    assert stops("'person' is not one of the tracker's targets (cup)", answer)
    assert ("enabled to false and true" in answer.stop_reason) == (not target)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 5e-324])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("tilt_rad", [0.0, 1.2])
def test_no_pose_makes_a_command_that_is_not_finite(value: float, axis: str, tilt_rad: float) -> None:
    config = replace(CONFIG, camera_tilt_rad=tilt_rad)
    target = decision(PERSON, config=config, person=pose(**{axis: value})).target
    assert target is None or abs(value) < 1
    if target is not None:
        command = next_command(config, STOP, target, True, 0.05)
        assert np.isfinite([command.speed_mps, command.turn_radps, command.target_speed_mps]).all()
