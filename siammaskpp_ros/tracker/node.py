"""The tracker node: its lifecycle, and the way of an image from the subscription to the publishers."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import Executor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from siammaskpp_core.engines.load import DEFAULT_MODEL
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.errors import MissingPackageError
from siammaskpp_core.io.bit_depth import ValueRange
from siammaskpp_ros.common import parameters
from siammaskpp_ros.common.frame_buffer import Frame, FrameBuffer
from siammaskpp_ros.common.image_input import ImageInput, image_topic
from siammaskpp_ros.common.node_main import run_node, spin_once, wait_until
from siammaskpp_ros.common.steady_clock import STEADY_CLOCK
from siammaskpp_ros.common.worker import Worker, WorkerHangs, stop_all
from siammaskpp_ros.pose.stage import PoseStage
from siammaskpp_ros.tracker.diagnostics import Network, Reporter
from siammaskpp_ros.tracker.parameters import FIXED_BECAUSE, NodeConfig
from siammaskpp_ros.tracker.publishers import FrameTimes, ResultPublishers
from siammaskpp_ros.tracker.requests import RequestQueue, SelectionInputs, TargetServices
from siammaskpp_ros.tracker.selection import Selector
from siammaskpp_ros.tracker.targets import TargetStore, TargetTracker, load_long_term_tracker

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks

# A launch system sends SIGTERM 5 s after SIGINT; a thread that hangs is abandoned before that.
_STOP_TIMEOUT_S = 3.0

# The answer to the request for a shutdown, and the last status, leave before the process ends.
_ANSWER_TIME_S = 0.5

TrackerLoader = Callable[[Path, EngineOptions], TargetTracker]
"""A function that loads the tracker of a model folder."""


class _Pipeline(NamedTuple):
    """The objects that process an image; they exist while the node is configured."""

    frames: FrameBuffer
    targets: TargetStore
    results: ResultPublishers
    poses: PoseStage


class TrackerNode(LifecycleNode):
    """Tracks targets in the images of one camera; docs/nodes/tracker_node.md lists topics and parameters.

    Configuring loads the network, and activating subscribes. The executor's thread receives images and
    answers services; the tracking thread tracks in the newest image and publishes the results.
    """

    def __init__(self, tracker_loader: TrackerLoader = load_long_term_tracker, **node_arguments: Any) -> None:
        super().__init__("tracker_node", **node_arguments)
        self.config = parameters.declare(self, NodeConfig)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._load_tracker = tracker_loader
        self._reporter = Reporter(self)
        self._indices = itertools.count(1)  # never reset: targets keep the index of their first frame
        self._worker: Worker[Frame] = Worker(self._process, self._on_failure, "tracking")
        self._pipeline: _Pipeline | None = None
        self.has_shut_down = False
        """True after the lifecycle transition shutdown, from which there is no way back."""
        self._input: ImageInput | None = None
        self._value_range = ValueRange()
        self._target_services = TargetServices(self)
        self._requests: RequestQueue | None = None
        self._selection: SelectionInputs | None = None
        self._change_state = self._service_change_state.callback
        self._service_change_state.callback = self._on_change_state
        self.create_timer(1.0, self._report, clock=STEADY_CLOCK)

    def create_publisher(self, *arguments: Any, **options: Any) -> Any:
        """Return a publisher without event callbacks, because the executor waits for each of them in Python.

        A subscriber that requests an incompatible QoS is still warned on its side.
        """
        options.setdefault("event_callbacks", PublisherEventCallbacks(use_default_callbacks=False))
        return super().create_publisher(*arguments, **options)

    # Lifecycle -------------------------------------------------------------------------------------

    def start(self) -> bool:
        """Configure and activate the node if `autostart` is true; return False when that fails."""
        if not self.config.autostart:
            return True
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and advertise the result topics."""
        config = self.config
        model = Path(config.model).expanduser() if config.model else DEFAULT_MODEL
        try:
            tracker = self._load_tracker(model, config.engine)
        except Exception as error:  # the engine's own errors have many classes, and none may end the node
            return self._refuse(f"The network cannot be loaded: {error}")
        try:
            poses = PoseStage(self, config.pose)
        except MissingPackageError as error:
            return self._refuse(str(error))
        frames = FrameBuffer(config.frame_buffer_s, config.frame_buffer_mb * 1_000_000)
        targets = self._target_services.targets = TargetStore(tracker, frames)
        self._pipeline = _Pipeline(frames, targets, ResultPublishers(self), poses)
        self._reporter.fault = ""
        self._reporter.network = Network(tracker.engine_name, str(model))
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the threads and subscribe to the images; what has begun is undone when that fails."""
        try:
            self._start_receiving()
        except Exception as error:
            self._stop_receiving()
            return self._refuse(f"Cannot activate: {error}; activate again later, or restart the node")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop receiving images; the targets are kept."""
        self._stop_receiving()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the targets and the network."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop receiving images, and release everything."""
        self._stop_receiving()
        self._release()
        self.has_shut_down = True
        self.get_logger().info("Shut down by a lifecycle request: the process ends; start it again if needed")
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything after a transition that raised an error; the node can be configured again."""
        self._refuse("A lifecycle transition has failed; configure the node again, or restart it")
        self._stop_receiving()
        self._release()
        return super().on_error(state)

    def _on_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        """Answer a request for a transition; rclpy raises an error when it is not possible now."""
        try:
            return self._change_state(request, response)
        except rclpy_implementation.RCLError as error:
            asked = request.transition
            self.get_logger().warning(f"Transition {asked.label or asked.id} is not possible now: {error}")
            response.success = False
            return response

    def stop_threads(self) -> None:
        """End all threads before the node is destroyed; raises :class:`WorkerHangs` when one does not end."""
        stops = [self._worker.stop]
        if self._pipeline is not None:
            stops.append(self._pipeline.poses.stop_worker)
        if self._requests is not None:
            stops.append(self._requests.stop)
        if not stop_all(stops, _STOP_TIMEOUT_S):
            raise WorkerHangs("the tracker hangs on an image")

    # Images ----------------------------------------------------------------------------------------

    def _on_image(self, message: Image | CompressedImage, receive_delay_s: float) -> None:
        now_s = time.monotonic()
        frame = Frame(
            message, next(self._indices), now_s - receive_delay_s, receive_delay_s, self._value_range
        )
        arrival = self._reporter.statistics.frame_received(now_s, frame.stamp_ns, message.header.frame_id)
        if arrival.warning:
            publishers = self._input.publishers() if self._input is not None else ""
            self.get_logger().warning(f"{arrival.warning}{publishers and f' ({publishers})'}")
        if arrival.is_left_out:
            return
        if self._pipeline is not None:
            self._pipeline.frames.add(frame)
        if self._worker.put(frame) is not None:
            self._reporter.statistics.frame_dropped()

    def _process(self, frame: Frame) -> None:
        """Track in one image and publish the results; called in the tracking thread."""
        pipeline = self._pipeline
        assert pipeline is not None
        begun_s = time.monotonic()
        config = self.config
        statistics = self._reporter.statistics
        statistics.frame_begun(begun_s)
        picture = frame.bgr()
        converted_s = time.monotonic()
        tracked = pipeline.targets.step(frame, picture, config.tracking)
        if self._worker.is_stopping():
            return
        tracked_s = time.monotonic()
        objects = pipeline.results.publish(frame.message.header, picture, tracked)
        ids = pipeline.targets.ids()
        pipeline.poses.put(frame.message.header, picture.shape, tracked, ids, config.pose)
        now_s = time.monotonic()
        age_s = self._age_s(frame)
        states = tuple(item.state for item in objects)
        problem = self._reporter.targets_failed(pipeline.targets.failures)
        statistics.frame_done(now_s, now_s - frame.received_s, age_s, states, problem)
        times = FrameTimes(begun_s, converted_s, tracked_s, now_s)
        pipeline.results.publish_timing(frame, times, age_s, pipeline.targets.timings)

    def _age_s(self, frame: Frame) -> float:
        """Return the time since the image's stamp; NaN when the image has none."""
        if not frame.stamp_ns:
            return float("nan")
        return float((self.get_clock().now().nanoseconds - frame.stamp_ns) * 1e-9)

    def _on_failure(self, frame: Frame, error: Exception) -> None:
        if self._worker.is_stopping() or not self.context.ok():
            return
        self._reporter.failed(frame.index, error)

    # Reports and parameters ------------------------------------------------------------------------

    def _report(self) -> None:
        pipeline = self._pipeline
        targets = len(pipeline.targets.ids()) if pipeline is not None else 0
        self._reporter.report(self.config, self._input, targets)
        if pipeline is not None:
            pipeline.poses.report()

    def _refuse(self, reason: str) -> TransitionCallbackReturn:
        """Let a transition fail, with the reason in the log and in the status."""
        self._reporter.fault = reason
        self.get_logger().error(reason)
        return TransitionCallbackReturn.FAILURE

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        result, self.config = parameters.changed(
            self.config, changes, FIXED_BECAUSE if self._pipeline is not None else ""
        )
        return result

    def _start_receiving(self) -> None:
        pipeline = self._pipeline
        assert pipeline is not None
        self._worker.start()
        images = image_topic(self, "image", self.config.compressed)
        pipeline.poses.start(images, self.config.image_reliability)
        self._reporter.start()
        self._input = ImageInput(
            self,
            self._on_image,
            is_compressed=self.config.compressed,
            reliability=self.config.image_reliability,
        )
        selector = Selector(pipeline.targets, pipeline.frames, self._input.hint, lambda: self.config)
        self._requests = self._target_services.queue = RequestQueue(self, selector)
        self._selection = SelectionInputs(self, self._requests, self._input.topic)
        self.get_logger().info(f"Ready: waiting for images on {self._input.topic}; {self._reporter.network}")

    def _stop_receiving(self) -> None:
        if self._selection is not None:
            self._selection.close()
            self._selection = None
        if self._input is not None:
            self._input.close()
            self._input = None
        stops = [self._worker.stop]
        if self._requests is not None:
            stops.append(self._requests.stop)
        self._requests = self._target_services.queue = None
        if not stop_all(stops, _STOP_TIMEOUT_S):
            self.get_logger().error("The tracker hangs on an image; its thread is abandoned")
        if self._pipeline is not None:
            self._pipeline.poses.stop()
            self._pipeline.frames.clear()

    def _release(self) -> None:
        if self._pipeline is not None:
            self._pipeline.results.destroy()
            self._pipeline.poses.destroy()
        self._reporter.network = None
        self._pipeline = self._target_services.targets = None
        # Free the network now: objects that refer to each other keep it until the next garbage collection.
        gc.collect()


def main(args: list[str] | None = None, tracker_loader: TrackerLoader = load_long_term_tracker) -> int:
    """Run the node until a signal ends it; return 0 then, and 1 when the node cannot start."""
    return run_node(
        "tracker_node", lambda: TrackerNode(tracker_loader), _work, args=args, finish=TrackerNode.stop_threads
    )


def _work(node: TrackerNode, executor: Executor, stop: Event) -> int:
    if not node.start():
        return 1
    while not (stop.is_set() or node.has_shut_down):
        spin_once(executor)
    if node.has_shut_down:
        wait_until(executor, stop.is_set, _ANSWER_TIME_S)
    return 0
