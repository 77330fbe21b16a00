"""Unit tests of worker, frame buffer, results, statistics and status."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from ros_harness import GREEN, RED, scene
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from siammaskpp.msg import TrackedObject, TrackerStatus
from siammaskpp_core.tracking import RotatedBox, State, TrackResult
from siammaskpp_ros.common.frame_buffer import Frame, FrameBuffer
from siammaskpp_ros.common.tracked_target import TrackedTarget
from siammaskpp_ros.common.worker import Worker, WorkerHangs, stop_all
from siammaskpp_ros.tracker.diagnostics import Network, diagnostic_message, judge, status_message
from siammaskpp_ros.tracker.publishers import objects_of
from siammaskpp_ros.tracker.selection import Refusal, choose_frame
from siammaskpp_ros.tracker.statistics import Measured, StampMonitor, Statistics


class Recorder:
    """Work that blocks until it is released, and the items that it saw."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.failures: list[str] = []
        self.busy = threading.Event()
        self.go = threading.Event()

    def work(self, item: int) -> None:
        self.busy.set()
        assert self.go.wait(5.0)
        if item < 0:
            raise RuntimeError(f"no {item}")
        self.seen.append(item)

    def failed(self, item: int, error: Exception) -> None:
        self.failures.append(str(error))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def worker(recorder: Recorder) -> Iterator[Worker[int]]:
    worker: Worker[int] = Worker(recorder.work, recorder.failed)
    worker.start()
    yield worker
    recorder.go.set()
    assert worker.stop(5.0)


def wait_until(is_true) -> None:
    end_s = time.monotonic() + 5.0
    while not is_true():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_worker_takes_the_newest_and_counts_the_others(worker: Worker[int], recorder: Recorder) -> None:
    assert worker.put(1) is None
    assert recorder.busy.wait(5.0)
    assert [worker.put(item) for item in (2, 3, 4)] == [None, 2, 3]
    recorder.go.set()
    wait_until(lambda: len(recorder.seen) == 2)
    assert recorder.seen == [1, 4]


def test_worker_keeps_as_many_items_as_it_has_room_for(recorder: Recorder) -> None:
    worker: Worker[int] = Worker(recorder.work, recorder.failed, capacity=3)
    worker.start()
    worker.put(0)
    assert recorder.busy.wait(5.0)
    assert [worker.put(item) for item in (1, 2, 3, 4)] == [None, None, None, 1]
    assert worker.drop(lambda item: item == 3) == [3]
    recorder.go.set()
    wait_until(lambda: len(recorder.seen) == 3)
    assert worker.stop(5.0)
    assert recorder.seen == [0, 2, 4]


def test_worker_survives_failing_work(worker: Worker[int], recorder: Recorder) -> None:
    recorder.go.set()
    worker.put(-1)
    wait_until(lambda: recorder.failures)
    worker.put(5)
    wait_until(lambda: recorder.seen)
    assert (recorder.failures, recorder.seen) == (["no -1"], [5])


def test_worker_stop_says_when_work_hangs_and_start_anew(worker: Worker[int], recorder: Recorder) -> None:
    worker.put(1)
    assert recorder.busy.wait(5.0)
    worker.put(2)
    assert worker.stop(0.05) is False
    with pytest.raises(WorkerHangs, match="not ended"):
        worker.start()
    recorder.go.set()
    assert worker.stop(5.0)
    worker.start()
    worker.put(3)
    wait_until(lambda: 3 in recorder.seen)
    assert recorder.seen == [1, 3]  # the item that waited at the stop was dropped


def frame(index: int, received_s: float, size: int = 10, stamp_ns: int | None = None) -> Frame:
    ns = index * 1_000_000_000 if stamp_ns is None else stamp_ns
    header = Header(stamp=Time(sec=ns // 10**9, nanosec=ns % 10**9))
    return Frame(Image(header=header, data=bytes(size)), index, received_s)


def test_frame_buffer_forgets_what_is_old_or_too_much() -> None:
    frames = FrameBuffer(max_age_s=1.0, max_bytes=25)
    assert (frames.newest(), frames.at(0), frames.span_ns()) == (None, None, None)
    for index, received_s in ((1, 0.0), (2, 0.5), (3, 0.9)):
        frames.add(frame(index, received_s))
    assert frames.span_ns() == (2 * 10**9, 3 * 10**9)  # 30 bytes exceed the limit
    frames.add(frame(4, 1.8))
    assert frames.span_ns() == (3 * 10**9, 4 * 10**9)  # frame 2 is too old
    frames.add(frame(5, 9.0, size=1000))
    assert frames.span_ns() == (5 * 10**9, 5 * 10**9)  # the newest stays, however large
    frames.clear()
    assert frames.newest() is None


def test_a_stamp_chooses_its_frame() -> None:
    frames = FrameBuffer(max_age_s=1.0, max_bytes=1000)
    with pytest.raises(Refusal, match="no camera"):
        choose_frame(frames, Time(), "no camera")
    for index in (1, 2, 3):
        frames.add(frame(index, 0.0, stamp_ns=index * 10**9 + 1))
    assert choose_frame(frames, Time(), "").index == 3
    assert choose_frame(frames, Time(sec=2, nanosec=1), "").index == 2
    with pytest.raises(
        Refusal, match=r"stamp 2\.000 s is not remembered; images from 1\.000 to 3\.000 s are"
    ):
        choose_frame(frames, Time(sec=2, nanosec=0), "")


def result(score: float) -> TrackResult:
    box = np.array([1.0, 2.0, 3.0, 4.0])
    rotated_box = RotatedBox(2.5, 4.0, 3.0, 4.0, 0.1)
    return TrackResult(box, rotated_box, score, np.zeros((4, 6), np.uint8))


def observation(score: float, state: State = State.TRACKING, is_seen: bool = True) -> TrackedTarget:
    return TrackedTarget("a", "b", result(score), state, is_seen)


@pytest.mark.parametrize(
    ("state", "is_seen", "number"),
    [
        (State.TRACKING, True, TrackedObject.TRACKING),
        (State.UNCERTAIN, True, TrackedObject.UNCERTAIN),
        (State.UNCERTAIN, False, TrackedObject.UNCERTAIN),
        (State.LOST, False, TrackedObject.LOST),
    ],
)
def test_only_what_is_seen_has_a_place(state: State, is_seen: bool, number: int) -> None:
    (item,) = objects_of([observation(float("nan"), state, is_seen)])
    assert (item.state, item.score) == (number, 0.0)
    assert (item.box.width, item.mask_value) == ((3.0, 1) if is_seen else (0.0, 0))


def test_rotated_box_goes_over_completely() -> None:
    (item,) = objects_of([observation(0.9)])
    rotated = item.rotated_box
    places = (rotated.center_x, rotated.center_y, rotated.width, rotated.height, rotated.angle)
    assert places == (2.5, 4.0, 3.0, 4.0, 0.1)
    np.testing.assert_allclose(rotated.corners.reshape(4, 2), result(0.9).rotated_box.corners())


def test_statistics_count_and_measure() -> None:
    statistics = Statistics()
    assert np.isnan(statistics.measured(0.0).fps)
    for index in range(11):
        now_s = index * 0.1
        statistics.frame_received(now_s, stamp_ns=index + 1, frame_id="camera")
        statistics.frame_done(now_s, latency_s=0.01 * (index + 1), age_s=0.2, states=(TrackedObject.LOST,))
    statistics.frame_dropped()
    statistics.frame_failed("broken")
    measured = statistics.measured(1.0)
    assert (measured.received, measured.tracked, measured.idle) == (11, 11, 0)
    assert (measured.dropped, measured.failed, measured.error) == (1, 1, "broken")
    assert measured.fps == pytest.approx(10.0)
    assert measured.received_hz == pytest.approx(10.0)
    assert measured.latency_median_ms == pytest.approx(60.0)
    assert measured.latency_p95_ms == pytest.approx(105.0)
    assert measured.age_median_ms == pytest.approx(200.0)
    statistics.frame_done(1.1, 0.01, 0.2, ())
    assert (statistics.measured(1.1).idle, statistics.measured(1.1).error) == (1, "")


def test_stamps_that_are_wrong_are_told_once() -> None:
    monitor = StampMonitor()
    assert monitor.check(2_000_000_000, "camera") == (False, "")
    assert "have no stamp" in monitor.check(0, "camera").warning
    assert monitor.check(0, "camera") == (False, "")
    assert "let the camera fill header.stamp" in monitor.problem
    assert monitor.check(2_500_000_000, "camera") == (False, "")
    assert monitor.problem == ""
    jump = monitor.check(1_000_000_000, "camera")
    assert not jump.is_left_out
    assert "jumped back by 1.500 s" in jump.warning
    assert monitor.check(1_000_000_000, "camera") == (False, "")
    late = monitor.check(900_000_000, "camera")
    assert late.is_left_out
    assert "came 0.100 s after its time" in late.warning
    assert monitor.check(1_100_000_000, "camera") == (False, "")
    assert monitor.check(1_050_000_000, "camera") == (True, "")
    assert (monitor.jumps_back, monitor.late_images) == (1, 2)


def test_another_frame_id_is_that_of_a_second_camera_or_a_new_name() -> None:
    monitor = StampMonitor()
    stamps = iter(range(10**9, 10**12, 10**8))

    def left_out(*frame_ids: str) -> str:
        arrivals = [monitor.check(next(stamps), frame_id) for frame_id in frame_ids]
        return "".join("-" if arrival.is_left_out else "+" for arrival in arrivals)

    assert left_out(*"ab" * 10) == "+-" * 10
    assert "with the frame_id 'a' and 'b': those of 'b' are left out" in monitor.problem
    assert left_out(*"a" * 101) == "+" * 101
    assert monitor.problem == ""
    assert left_out(*"c" * 8) == "-----+++"  # a driver that has started again with another name
    assert left_out(*"c" * 8) == "+" * 8
    assert (monitor.problem, monitor.foreign_images) == ("", 15)


@pytest.mark.parametrize(
    ("measured", "is_active", "targets", "state", "text"),
    [
        (Measured(), True, 0, TrackerStatus.WAITING, "no camera"),
        (Measured(last_received_s=7.0), True, 0, TrackerStatus.WAITING, "no camera"),
        (Measured(last_received_s=9.5), True, 0, TrackerStatus.IDLE, "set_target"),
        (Measured(last_received_s=9.9, begun_s=4.9), True, 1, TrackerStatus.ERROR, "hangs"),
        (
            Measured(last_received_s=9.9, begun_s=5.1, states=(1,)),
            True,
            1,
            TrackerStatus.TRACKING,
            "1 target",
        ),
        (Measured(last_received_s=9.5, error="broken"), True, 1, TrackerStatus.ERROR, "broken"),
        (Measured(last_received_s=9.5, states=(1, 3)), True, 2, TrackerStatus.TRACKING, "1 lost"),
        (Measured(last_received_s=9.5, states=(3, 3)), True, 2, TrackerStatus.LOST, "searching"),
    ],
)
def test_status_says_what_is_going_on(
    measured: Measured, is_active: bool, targets: int, state: int, text: str
) -> None:
    got, sentence = judge(measured, is_active, targets, 10.0, "no camera")
    assert got == state
    assert text in sentence
    status = status_message(measured, got, sentence, Time(sec=3), Network("onnxruntime", "lite"), targets)
    diagnostic = diagnostic_message(status, "/ns/tracker_node", measured, {}).status[0]
    assert diagnostic.name.startswith("/ns/tracker_node")
    assert diagnostic.message == sentence
    is_bad = state in (TrackerStatus.WAITING, TrackerStatus.LOST, TrackerStatus.ERROR)
    assert (diagnostic.level != b"\x00") == is_bad
    told = {pair.key for pair in diagnostic.values}
    assert {"fps", "image_rate_hz", "frames_dropped", "age_median_ms", "engine", "stamps_jumped_back"} <= told


def test_the_scenes_have_the_colours_the_tests_rely_on() -> None:
    assert tuple(scene()[50, 100]) == RED
    assert tuple(scene(colour=GREEN)[50, 100]) == GREEN


def test_threads_that_hang_are_waited_for_together() -> None:
    all_work, end = threading.Barrier(4), threading.Event()

    def work(_: int) -> None:
        all_work.wait(5.0)
        end.wait()

    workers = [Worker(work, lambda *_: None, name) for name in "abc"]
    for worker in workers:
        worker.start()
        worker.put(1)
    all_work.wait(5.0)
    begin_s = time.monotonic()
    assert not stop_all([worker.stop for worker in workers], 0.5)
    assert time.monotonic() - begin_s < 1.0  # one after the other, they would take 1.5 s
    end.set()
    assert stop_all([worker.stop for worker in workers], 5.0)
