"""The conditions for moving: results and poses of the tracker in, a target or a reason to stop out.

No ROS. The robot stops unless every condition holds; docs/following.md lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from siammaskpp_core.io.stamps import NS_PER_S
from siammaskpp_core.tracking import State
from siammaskpp_ros.follow.control import FollowConfig, TargetPosition, target_position

# What has a stamp further ahead of the node's clock comes from another clock.
_FUTURE_TOLERANCE_S = 0.1


class TargetState(NamedTuple):
    """One target in the newest results of the tracker."""

    id: str
    state: int
    """A constant of siammaskpp/TrackedObject."""
    is_seen: bool


@dataclass(frozen=True)
class Results:
    """The newest results of the tracker: all targets in one image."""

    stamp_ns: int
    frame_id: str
    targets: Sequence[TargetState]


@dataclass(frozen=True)
class TargetPose:
    """The newest pose of one target; x, y and z are in m."""

    stamp_ns: int
    frame_id: str
    x: float
    y: float
    z: float


@dataclass(frozen=True)
class Decision:
    """What the robot may do now. It must stop when `target` is None; `stop_reason` says why."""

    target: TargetPosition | None = None
    id: str = ""
    """Id of the target."""
    may_drive: bool = False
    """The robot may drive to the target; otherwise it turns to the target and brakes."""
    stop_reason: str = ""


def decide(
    config: FollowConfig,
    followed_id: str,
    results: Results | None,
    poses: Mapping[str, TargetPose],
    now_ns: int,
) -> Decision:
    """Return what the robot may do, from the newest results and the newest pose of each target by id.

    `followed_id` is the target that the robot has followed so far, empty before the first one. It counts
    while the parameter `target` is empty: the robot never goes over to another target by itself.
    """
    if not config.enabled:
        return Decision(stop_reason="the parameter enabled is false")
    if results is None:
        return Decision(stop_reason="the tracker has not published tracked_objects")
    problem = _age_problem("tracked_objects", results.stamp_ns, now_ns, config)
    if problem:
        return Decision(stop_reason=problem)
    ids = sorted({target.id for target in results.targets})
    id = config.target or followed_id
    if not id and len(ids) == 1:
        id = ids[0]
    if not id:
        several = (
            f"the tracker has several targets ({', '.join(ids)}): set the parameter target to one of them"
        )
        return Decision(stop_reason=several if ids else "the tracker has no target")
    states = [target for target in results.targets if target.id == id]
    if not states:
        return Decision(stop_reason=_absence(id, ids, config))
    if not all(target.is_seen and target.state in (State.TRACKING, State.UNCERTAIN) for target in states):
        return Decision(stop_reason=f"the target {id!r} is not seen")
    pose = poses.get(id)
    if pose is None:
        return Decision(stop_reason=f"there is no pose of the target {id!r}")
    problem = _age_problem("pose", pose.stamp_ns, now_ns, config)
    if problem:
        return Decision(stop_reason=problem)
    if not pose.frame_id or pose.frame_id != results.frame_id:
        return Decision(
            stop_reason=f"the pose is in the frame {pose.frame_id!r}, the images of the camera are in "
            f"{results.frame_id!r}"
        )
    position = target_position(pose.x, pose.y, pose.z, config.camera_tilt_rad)
    if position is None:
        return Decision(stop_reason="the pose is not a place in front of the camera")
    return Decision(position, id, may_drive=all(target.state == State.TRACKING for target in states))


def _age_problem(name: str, stamp_ns: int, now_ns: int, config: FollowConfig) -> str:
    """Return why a message with this stamp cannot be used now; empty when it is fresh."""
    age_s = (now_ns - stamp_ns) / NS_PER_S
    if age_s > config.pose_timeout_s:
        return f"the newest {name} is older than pose_timeout_s ({config.pose_timeout_s:g} s)"
    if age_s < -_FUTURE_TOLERANCE_S:
        return f"the stamp of the newest {name} is in the future: camera and follower need the same clock"
    return ""


def _absence(id: str, ids: Sequence[str], config: FollowConfig) -> str:
    reason = f"the target {id!r} is not one of the tracker's targets ({', '.join(ids) or 'none'})"
    if config.target or not ids:
        return reason
    return f"{reason}; to follow another one, set the parameter target, or enabled to false and true again"
