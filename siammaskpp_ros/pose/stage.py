"""From what was seen in an image to the poses of its targets, in a thread of its own."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from siammaskpp_core.pose import (
    Camera,
    CameraError,
    DepthError,
    NoPose,
    PoseConfig,
    PoseEstimate,
    PoseEstimator,
    bearing_of,
)
from siammaskpp_core.pose.points import Depth
from siammaskpp_ros.common.tracked_target import TrackedTarget
from siammaskpp_ros.common.worker import LatestWorker
from siammaskpp_ros.pose.camera import CameraInput
from siammaskpp_ros.pose.depth import DepthPairing, depth_array
from siammaskpp_ros.pose.observations import TrackedImage, stamp_ns_of
from siammaskpp_ros.pose.options import PoseOptions
from siammaskpp_ros.pose.publishers import PosePublishers
from siammaskpp_ros.pose.report import PoseReport

_STOP_TIMEOUT_S = 1.0


class PoseStage:
    """The poses of the tracker node: made when it is configured, started when it becomes active.

    Images are tracked at once; what is seen in them waits here for its depth, and the poses are made in
    another thread, from the newest pair. So tracking waits neither for depth nor for poses, and the lag never
    grows. Raises :class:`~siammaskpp_ros.pose.depth.PoseUnavailable` when a package is missing.
    """

    def __init__(self, node: Node, options: PoseOptions) -> None:
        self._node = node
        self._options = PoseConfig()
        self._is_rectified = options.image_rectified
        self._pairing = DepthPairing(node, options.depth_slop_s, self._on_pair) if options.depth else None
        self._publishers = PosePublishers(node, options.publish_tf)
        self._report = PoseReport(node)
        self._worker: LatestWorker[tuple[TrackedImage, Image | None]] = LatestWorker(
            self._work, self._on_failure
        )
        self._camera: CameraInput | None = None
        self._newest_ns, self._epoch = 0, 0
        self._newest_pair = (0, 0)  # epoch and stamp
        self._estimators: dict[str, PoseEstimator] = {}

    def start(self, image_topic: str, reliability: str) -> None:
        """Subscribe to depth, with this reliability, and to the camera_info of the images on `image_topic`.

        Raises RuntimeError when the thread of the last activation still hangs.
        """
        self._worker.start()
        self._camera = CameraInput(self._node, image_topic, self._is_rectified)
        if self._pairing is not None:
            self._pairing.start(reliability)

    def stop_worker(self) -> bool:
        """End the thread; False when it hangs."""
        return self._worker.stop(_STOP_TIMEOUT_S)

    def stop(self) -> None:
        """Take nothing more, and let the thread end."""
        self.stop_worker()
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        if self._pairing is not None:
            self._pairing.stop()

    def destroy(self) -> None:
        """Take the topics away."""
        self._publishers.destroy()
        self._report.destroy()

    def put(
        self, header: Header, shape: Sequence[int], seen: Sequence[TrackedTarget], options: PoseOptions
    ) -> None:
        """Hand over the targets that were found in one image of height and width `shape`."""
        stamp_ns = stamp_ns_of(header)
        if stamp_ns < self._newest_ns:
            self._epoch += 1
            if self._pairing is not None:
                self._pairing.reset()
        self._newest_ns = stamp_ns
        found = [item for item in seen if item.is_seen]
        tracked_image = TrackedImage(header, shape[1], shape[0], found, options, self._epoch)
        if not found:
            return
        self._publishers.publish_detections(tracked_image)
        if not (self._publishers.wants_poses or self._publishers.wants_bearing):
            return
        if not stamp_ns or not header.frame_id:
            self._report.complain_once(
                "the images have no stamp or no frame_id, which a pose needs: let the camera fill "
                "header.stamp and header.frame_id"
            )
            return
        if self._pairing is None:
            self._worker.put((tracked_image, None))
        else:
            self._pairing.put(tracked_image)

    def report(self) -> None:
        """Once a second: warnings about what is missing, and diagnostics."""
        if self._camera is None:
            return
        if self._pairing is not None:
            self._report.complain_often(self._pairing.complaint())
        self._report.publish(self._pairing.counts() if self._pairing is not None else None)

    def _on_pair(self, tracked_image: TrackedImage, depth: Image) -> None:
        order = (tracked_image.epoch, tracked_image.stamp_ns)
        if order > self._newest_pair:  # else an older image, whose depth came later
            self._newest_pair = order
            self._worker.put((tracked_image, depth))

    def _work(self, item: tuple[TrackedImage, Image | None]) -> None:
        tracked_image, depth = item
        try:
            self._make(tracked_image, depth)
        except (CameraError, DepthError) as error:
            self._report.complain_once(str(error))

    def _make(self, tracked_image: TrackedImage, depth: Image | None) -> None:
        assert self._camera is not None
        camera = self._camera.camera(tracked_image.header, tracked_image.width, tracked_image.height)
        target = self._target(tracked_image)
        if target is not None and self._publishers.wants_bearing:
            bearing = bearing_of(target.result.rotated_box, camera, self._options.edge_px)
            self._publishers.publish_bearing(tracked_image.header, bearing.direction)
        if self._publishers.wants_poses:
            pixels = None if depth is None else _registered(depth, tracked_image.header)
            poses = self._poses(tracked_image, pixels, camera)
            self._publishers.publish(tracked_image, poses, target.id if target is not None else None)

    def _poses(
        self, tracked_image: TrackedImage, depth: Depth | None, camera: Camera
    ) -> dict[str, PoseEstimate]:
        """The poses of the targets that have one, by id."""
        ids = {item.id for item in tracked_image.seen}
        self._estimators = {id: self._estimators.get(id) or PoseEstimator(self._options) for id in ids}
        poses, reasons = {}, {}
        for item in tracked_image.seen:
            try:
                poses[item.id] = self._pose(item, tracked_image, depth, camera)
            except NoPose as error:
                reasons[item.id] = str(error)
        self._report.made(len(poses), reasons)
        return poses

    def _pose(
        self, item: TrackedTarget, tracked_image: TrackedImage, depth: Depth | None, camera: Camera
    ) -> PoseEstimate:
        estimator, score = self._estimators[item.id], item.result.score
        if depth is not None:
            return estimator.from_depth(item.result, depth, camera, tracked_image.stamp_ns, score)
        size_m = tracked_image.options.object_size_m
        if not size_m:
            raise NoPose("neither depth nor the object's size is known: set depth to true, or object_size_m")
        return estimator.from_size(item.result, camera, size_m, tracked_image.stamp_ns, score)

    def _target(self, tracked_image: TrackedImage) -> TrackedTarget | None:
        """The one target whose pose is published on its own."""
        wanted = tracked_image.options.pose_target
        return next((item for item in tracked_image.seen if wanted in ("", item.id)), None)

    def _on_failure(self, item: tuple[TrackedImage, Image | None], error: Exception) -> None:
        if self._worker.is_stopping() or not self._node.context.ok():
            return
        self._report.complain_often(f"no pose: {type(error).__name__}: {error}")


def _registered(depth: Image, header: Header) -> Depth:
    """The pixels of a depth image; :class:`DepthError` when it is in another frame than the colour image."""
    if depth.header.frame_id not in ("", header.frame_id):
        raise DepthError(
            f"depth is in the frame {depth.header.frame_id!r}, the colour image in {header.frame_id!r}: use "
            "depth that is registered to the colour image (aligned_depth_to_color, depth_registered)"
        )
    return depth_array(depth)
