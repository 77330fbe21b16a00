"""Many recordings: jobs from a file, processes of their own, resumption and one report."""

import csv
import json
import re
import signal
import sys
from pathlib import Path

import cv2
import pytest
from command import error_of, run
from squares import BLUE_BOX, RED_BOX, picture, tracker

from siammaskpp_core.config import ConfigError
from siammaskpp_core.engines import load
from siammaskpp_core.offline.batch import run as batch
from siammaskpp_core.offline.batch import worker
from siammaskpp_core.offline.batch.jobs import Job, read_jobs
from siammaskpp_core.offline.session import Selection

ROOT = Path(__file__).parents[4]
FRAMES = 4
JOBS = f"""
formats: [csv]
jobs:
  - video: one
    targets:
      - {{label: red, box: {list(RED_BOX)}}}
      - {{label: blue, box: {list(BLUE_BOX)}, at: 1}}
      - {{id: red, remove: true, at: 3}}
  - video: broken.mp4
    targets: [{{box: {list(RED_BOX)}}}]
  - video: one
    name: second
    start: 1
    end: 0.08s
    targets: [{{point: [40, 50]}}]
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """A file of jobs beside its recordings; a tracker of squares does them in this process."""
    (tmp_path / "one").mkdir()
    for number in range(FRAMES):
        cv2.imwrite(str(tmp_path / f"one/{number}.png"), picture(number))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    path = tmp_path / "jobs.yaml"
    path.write_text(JOBS)

    def here(text, folder):
        return json.dumps(vars(worker.run_job(Job.from_json(text), batch.Path(folder))))

    monkeypatch.setattr(load, "load_tracker", lambda *_: tracker()._tracker)
    monkeypatch.setattr(batch, "run_apart", here)
    return path


def report(jobs):
    with (jobs.parent / "jobs_results/report.csv").open() as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_one_bad_recording_stops_no_other_and_is_tried_again(jobs, capsys):
    assert run("track-batch", jobs) == 3
    output = capsys.readouterr()
    assert "2 of 3 jobs are done, 0 of them before" in output.out
    assert "broken: broken.mp4: not a video" in output.err
    rows = report(jobs)
    assert [row["status"] for row in rows.values()] == ["done", "failed", "done"]
    assert (rows["one"]["frames"], rows["second"]["frames"], rows["broken"]["frames"]) == ("4", "2", "0")
    assert rows["one"]["tracking"] == "1.000"
    with (jobs.parent / "jobs_results/one/tracks.csv").open() as file:
        ids = [(int(row["frame"]), row["id"]) for row in csv.DictReader(file)]
    assert ids == [(0, "red"), (1, "red"), (1, "blue"), (2, "red"), (2, "blue"), (3, "blue")]

    before = (jobs.parent / "jobs_results/one/result.json").stat().st_mtime_ns
    (jobs.parent / "broken.mp4").unlink()
    (jobs.parent / "one").rename(jobs.parent / "broken.mp4")
    (jobs.parent / "broken.mp4").rename(jobs.parent / "one")
    assert run("track-batch", jobs) == 3
    assert "2 of 3 jobs are done, 2 of them before" in capsys.readouterr().out
    assert (jobs.parent / "jobs_results/one/result.json").stat().st_mtime_ns == before
    assert report(jobs)["one"]["frames"] == "4"


def test_results_of_other_settings_are_not_mistaken_for_these(jobs, capsys):
    run("track-batch", jobs)
    jobs.write_text(JOBS.replace("start: 1", "start: 2"))
    before = (jobs.parent / "jobs_results/second/tracks.csv").read_bytes()
    capsys.readouterr()
    assert run("track-batch", jobs) == 3
    output = capsys.readouterr()
    assert "second: holds results of other settings" in output.err
    assert "1 of 3 jobs are done, 1 of them before" in output.out
    assert (jobs.parent / "jobs_results/second/tracks.csv").read_bytes() == before
    assert run("track-batch", jobs, "--output", jobs.parent / "other") == 3


def test_ctrl_c_keeps_the_jobs_that_are_finished(jobs, capsys, monkeypatch):
    ended = []

    def here(text, folder):
        if Job.from_json(text).name == "broken":
            signal.raise_signal(signal.SIGINT)
        return json.dumps(vars(worker.run_job(Job.from_json(text), batch.Path(folder))))

    monkeypatch.setattr(batch, "run_apart", here)
    monkeypatch.setattr(batch.PROCESSES, "end", lambda: ended.append(True))

    class InTurn(batch.ThreadPoolExecutor):
        """Does each job when it is submitted, but those behind a signal never."""

        def submit(self, function, *arguments):
            future = batch.Future()
            if not ended and "second" not in arguments[1]:
                future.set_result(function(*arguments))
            return future

    monkeypatch.setattr(batch, "ThreadPoolExecutor", InTurn)
    assert run("track-batch", jobs, "--workers", 1) == 130
    output = capsys.readouterr()
    assert "start the same command again to continue" in output.out
    assert ended
    assert not (jobs.parent / "jobs_results/second").exists()


def test_a_process_that_dies_is_a_failed_job(tmp_path, monkeypatch):
    job = Job("cup", "cup.mp4", None, ({"box": [1, 2, 3, 4]},))
    program = tmp_path / "python"
    for line, words in (("kill -9 $$", "ended by SIGKILL"), ("echo no memory >&2; exit 7", "7: no memory")):
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        ended = json.loads(worker.run_apart(job.to_json(), str(tmp_path / "cup")))
        assert (ended["name"], ended["status"]) == ("cup", "failed")
        assert words in ended["message"]


def test_a_job_in_a_process_of_its_own(tmp_path):
    job = Job("cup", str(tmp_path / "cup.mp4"), None, ({"box": [1, 2, 3, 4]},))
    ended = json.loads(worker.run_apart(job.to_json(), str(tmp_path / "cup")))
    assert ended["status"] == "failed"
    assert "cup.mp4: no such file or folder" in ended["message"]
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_the_program_is_a_failed_job_with_its_traceback(jobs, monkeypatch):
    monkeypatch.setattr(load, "load_tracker", lambda *_: 1 / 0)
    assert run("track-batch", jobs) == 3
    assert "ZeroDivisionError" in report(jobs)["one"]["message"]


def test_the_file_of_jobs(tmp_path):
    path = tmp_path / "jobs.yaml"
    path.write_text(
        "output: out\njobs:\n"
        "  - {video: a/cup.mp4, targets: [{label: cup, box: [1, 2, 3, 4], at: 1.5s}]}\n"
        "  - {bag: drive.mcap, topic: /image, targets: [{point: [1, 2]}], formats: [bag, coco], name: ../x}\n"
        "  - {video: 'rtsp://host/cam', targets: [{box: [1, 2, 3, 4]}]}\n"
    )
    file = read_jobs(path)
    assert file.output == tmp_path / "out"
    cup, drive, camera = file.jobs
    assert (cup.name, cup.source, cup.formats) == ("cup", str(tmp_path / "a/cup.mp4"), ("video", "csv"))
    (selection,) = cup.selections()
    assert selection == Selection((1, 2, 3, 4), label="cup", at=selection.at)
    assert selection.at.time_ns == 1_500_000_000
    assert (drive.name, drive.topic, drive.formats) == ("_x", "/image", ("bag", "coco"))
    assert camera.source == "rtsp://host/cam"
    assert Job.from_json(cup.to_json()) == cup
    assert cup.classes == ("cup", "target"), "a class has one number in all data sets"


def test_a_job_does_not_depend_on_the_classes_of_others(tmp_path):
    path, line = tmp_path / "jobs.yaml", "  - {video: %s.mp4, targets: [{label: %s, box: [1, 2, 3, 4]}]}\n"

    def fingerprint(head, *labels):
        path.write_text(head + "jobs:\n" + "".join(line % (label, label) for label in labels))
        return {job.name: job.fingerprint() for job in read_jobs(path).jobs}["cup"]

    alone = fingerprint("", "cup")
    assert fingerprint("", "cup", "pen") == alone
    assert fingerprint("classes: [cup, pen]\n", "cup") == alone
    assert fingerprint("", "pen", "cup") != alone, "its number is another"


def test_the_example_of_the_documents_is_a_file_of_jobs(tmp_path):
    text = (ROOT / "docs/recordings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    path = tmp_path / "jobs.yaml"
    path.write_text(example)
    cup, drive = read_jobs(path).jobs
    assert [selection.is_removal for selection in cup.selections()] == [False, False, False, True]
    assert cup.moments()[0].time_ns == 2_000_000_000
    assert (drive.name, drive.formats) == ("drive_person", ("bag", "coco"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jobs: []", "a list of jobs is expected"),
        ("job: [a]", "unknown key 'job'"),
        ("jobs: [cup.mp4]", "job 1: a mapping such as"),
        ("jobs: [{video: a, bag: b, targets: [{box: [1, 2, 3, 4]}]}]", "one of video: and bag:"),
        ("jobs: [{bag: b, targets: [{box: [1, 2, 3, 4]}]}]", "topic: names the images of a bag"),
        ("classes: 3\njobs: [{video: a, targets: [{box: [1, 2, 3, 4]}]}]", "a list of labels is expected"),
        ("jobs: [{video: a}]", "targets: a list is expected"),
        ("jobs: [{video: a, targets: [{box: [1, 2, 3]}]}]", "box: 4 numbers are expected"),
        ("jobs: [{video: a, targets: [{label: cup}]}]", "one of box, point and remove"),
        ("jobs: [{video: a, targets: [{remove: true}]}]", "remove needs the id"),
        ("jobs: [{video: a, start: soon, targets: [{box: [1, 2, 3, 4]}]}]", "start: a frame such as 120"),
        ("jobs: [{video: a, formats: [avi], targets: [{box: [1, 2, 3, 4]}]}]", "formats: a list of video"),
        ("jobs: [{video: a, formats: [bag], targets: [{box: [1, 2, 3, 4]}]}]", "cannot be a bag"),
        (
            "jobs: [{video: a/c.mp4, targets: [{box: [1, 2, 3, 4]}]}, "
            "{video: b/c.mp4, targets: [{box: [1, 2, 3, 4]}]}]",
            "job 2: the name c is that of job 1",
        ),
    ],
)
def test_mistakes_in_the_file_of_jobs_are_named(tmp_path, text, words):
    path = tmp_path / "jobs.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_jobs(path)


def test_two_workers_of_a_cluster(jobs, monkeypatch, capsys):
    distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    with distributed.LocalCluster(
        2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        assert run("track-batch", jobs, "--cluster", cluster.scheduler_address) == 3
    assert [row["status"] for row in report(jobs).values()] == ["done", "failed", "done"]
    assert "no Dask scheduler answers" in error_of(
        capsys, "track-batch", jobs, "--cluster", "tcp://127.0.0.1:9"
    )
