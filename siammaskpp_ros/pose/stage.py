"""The pose stage of the tracker node: from a tracked image to the poses of its targets, in its own thread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from siammaskpp_core.io.stamps import has_jumped_back, stamp_ns
from siammaskpp_core.pose import (
    CameraError,
    CameraModel,
    DepthError,
    NoPose,
    PoseEstimate,
    PoseEstimator,
    bearing_of,
)
from siammaskpp_core.pose.points import Depth
from siammaskpp_ros.common.tracked_target import TrackedTarget
from siammaskpp_ros.common.worker import Worker
from siammaskpp_ros.pose.camera import CameraInput
from siammaskpp_ros.pose.depth import DepthPairing, TrackedImage, registered_depth
from siammaskpp_ros.pose.diagnostics import PoseDiagnostics
from siammaskpp_ros.pose.options import PoseOptions
from siammaskpp_ros.pose.publishers import PosePublishers

_STOP_TIMEOUT_S = 1.0


class PoseStage:
    """Computes and publishes the poses of the targets that the tracker has found.

    The tracking thread hands over each image with :meth:`put` and never waits. With depth, the image waits
    here for its depth image; a thread of its own computes poses from the newest pair and skips older ones, so
    that the delay does not grow.

    The node makes this object when it is configured and starts it when it becomes active. Raises
    :class:`~siammaskpp_core.errors.MissingPackageError` when an option needs a package that is not installed.
    """

    def __init__(self, node: Node, options: PoseOptions) -> None:
        self._node = node
        self._is_rectified = options.image_rectified
        self._pairing = DepthPairing(node, options.depth_slop_s, self._on_pair) if options.depth else None
        self._publishers = PosePublishers(node, options.publish_tf)
        self._diagnostics = PoseDiagnostics(node)
        self._worker: Worker[tuple[TrackedImage, Image | None]] = Worker(
            self._process, self._on_failure, "poses"
        )
        self._camera: CameraInput | None = None
        self._newest_ns: int | None = None
        self._time_jump_count = 0
        self._newest_pair = (0, 0)  # time jump count and stamp
        self._estimators: dict[str, PoseEstimator] = {}

    def start(self, image_topic: str, reliability: str) -> None:
        """Subscribe to depth, with this reliability, and to the camera_info of the images on `image_topic`.

        Raises :class:`WorkerHangs` when the thread of the last activation still hangs.
        """
        self._worker.start()
        self._camera = CameraInput(self._node, image_topic, self._is_rectified)
        if self._pairing is not None:
            self._pairing.start(reliability)

    def stop_worker(self, timeout_s: float = _STOP_TIMEOUT_S) -> bool:
        """End the thread; False when it hangs."""
        return self._worker.stop(timeout_s)

    def stop(self) -> None:
        """End the thread and all subscriptions."""
        self.stop_worker()
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        if self._pairing is not None:
            self._pairing.stop()

    def destroy(self) -> None:
        """Destroy all publishers."""
        self._publishers.destroy()
        self._diagnostics.destroy()

    def put(
        self,
        header: Header,
        shape: Sequence[int],
        targets: Sequence[TrackedTarget],
        ids: Sequence[str],
        options: PoseOptions,
    ) -> None:
        """Hand over the targets in one image whose height and width are the first items of `shape`.

        `ids` are those of all targets that exist, in the order in which they were set, also of those that
        `targets` leaves out until they have caught up. The first one keeps the topics of one target until it
        is removed, unless an option names another.
        """
        now_ns = stamp_ns(header.stamp)
        if has_jumped_back(self._newest_ns, now_ns):
            self._time_jump_count += 1
            if self._pairing is not None:
                self._pairing.reset()
        self._newest_ns = now_ns
        visible = [target for target in targets if target.is_seen]
        if not visible:
            return
        self._publishers.publish_detections(header, visible)
        if not (self._publishers.needs_poses or self._publishers.needs_bearing):
            return
        if now_ns <= 0 or not header.frame_id:
            self._diagnostics.warn_once(
                "the images have no stamp, a negative one or no frame_id, which a pose needs: let the camera "
                "fill header.stamp and header.frame_id"
            )
            return
        wanted = options.pose_target or next(iter(ids), "")
        image = TrackedImage(header, shape[1], shape[0], targets, options, wanted, self._time_jump_count)
        if self._pairing is None:
            self._worker.put((image, None))
        else:
            self._pairing.put(image)

    def report(self) -> None:
        """Adapt the subscriptions, and publish diagnostics and warnings; to be called once a second."""
        if self._camera is None:
            return
        self._camera.adapt()
        if self._pairing is None:
            self._diagnostics.publish(None)
            return
        self._diagnostics.warn_throttled(self._pairing.new_problem())
        self._diagnostics.publish(self._pairing.counts())

    def _on_pair(self, image: TrackedImage, depth: Image) -> None:
        order = (image.time_jump_count, image.stamp_ns)
        if order > self._newest_pair:  # depth images may arrive out of order, poses are published in order
            self._newest_pair = order
            self._worker.put((image, depth))

    def _process(self, pair: tuple[TrackedImage, Image | None]) -> None:
        """Publish what is needed of one image; runs in the pose thread."""
        image, depth = pair
        try:
            assert self._camera is not None
            camera = self._camera.camera(image.header, image.width, image.height)
            self._publish_bearing(image, camera)
            if self._publishers.needs_poses:
                depth_pixels = None if depth is None else registered_depth(depth, image.header)
                self._publish_poses(image, depth_pixels, camera)
        except (CameraError, DepthError) as error:
            self._diagnostics.warn_once(str(error))

    def _publish_bearing(self, image: TrackedImage, camera: CameraModel) -> None:
        target = image.pose_target
        if target is not None and self._publishers.needs_bearing:
            direction = bearing_of(target.result.rotated_box, camera).direction
            if np.isfinite(direction).all():
                self._publishers.publish_bearing(image.header, direction)

    def _publish_poses(self, image: TrackedImage, depth: Depth | None, camera: CameraModel) -> None:
        # Targets that this image does not show keep their filter.
        self._estimators = {
            target.id: self._estimators.get(target.id) or PoseEstimator() for target in image.targets
        }
        poses: dict[str, PoseEstimate] = {}
        reasons: dict[str, str] = {}
        for target in image.visible:
            try:
                poses[target.id] = self._pose(target, image, depth, camera)
            except NoPose as error:
                reasons[target.id] = str(error)
            except (CameraError, DepthError):  # they concern all targets
                raise
            except Exception as error:
                reasons[target.id] = f"{type(error).__name__}: {error}"
        self._diagnostics.count(len(poses), reasons)
        self._publishers.publish_poses(image.header, image.visible, poses, image.pose_target)

    def _pose(
        self, target: TrackedTarget, image: TrackedImage, depth: Depth | None, camera: CameraModel
    ) -> PoseEstimate:
        estimator = self._estimators[target.id]
        if depth is not None:
            return estimator.from_depth(target.result, depth, camera, image.stamp_ns)
        size_m = image.options.object_size_m
        if not size_m:
            raise NoPose("neither depth nor the object's size is known: set depth to true, or object_size_m")
        return estimator.from_size(target.result, camera, size_m, image.stamp_ns)

    def _on_failure(self, _pair: tuple[TrackedImage, Image | None], error: Exception) -> None:
        if self._worker.is_stopping() or not self._node.context.ok():
            return
        self._diagnostics.warn_throttled(f"no pose: {type(error).__name__}: {error}")
