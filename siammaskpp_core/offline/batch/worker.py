"""One job of a batch: tracked in a process of its own, which reads the job as JSON and answers with a report.

``python -m siammaskpp_core.offline.batch.worker FOLDER < job.json``
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from siammaskpp_core.errors import UserError
from siammaskpp_core.offline.batch.jobs import Job, output_name

RESULT = "result.json"
"""Name of the report in the folder of a finished job."""
DONE, FAILED = "done", "failed"
_TAIL = 2000  # characters of the error output of a process that died


@dataclass
class JobReport:
    """State and results of a job."""

    name: str
    source: str
    status: str
    """`done` or `failed`."""
    message: str = ""
    """Why the job failed."""
    frames: int = 0
    seconds: float = 0.0
    """Duration of the job, with reading and writing."""
    states: dict[str, dict[str, int]] = field(default_factory=dict)
    """Number of frames of each target in each track state."""
    left_out: list[str] = field(default_factory=list)
    """A message for each part of the recording that was left out."""
    fingerprint: str = ""
    is_resumed: bool = False
    """True when the job was finished by an earlier run of the batch."""


class Processes:
    """The processes of jobs that are running, so that they can be ended together."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def run(self, text: str, folder: str) -> str:
        """Process a job in a new process, which writes its results to `folder`; job and report are JSON."""
        with self._lock:
            child = subprocess.Popen(
                [sys.executable, "-m", "siammaskpp_core.offline.batch.worker", folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "TQDM_DISABLE": "1"},
                start_new_session=True,  # Ctrl-C reaches the batch alone, which ends this process
            )
            self._running.add(child)
        try:
            output, errors = child.communicate(text)
        finally:
            with self._lock:
                self._running.discard(child)
        if child.returncode == 0:
            return output.splitlines()[-1]
        report = failed(Job.from_json(text), _cause(child.returncode, errors))
        return json.dumps(asdict(report))

    def end(self) -> None:
        """End the processes that are running."""
        with self._lock:
            for child in self._running:
                child.terminate()


PROCESSES = Processes()
"""The jobs of this process: of the batch itself, or of a worker of a cluster."""


def run_apart(text: str, folder: str) -> str:
    """See :meth:`Processes.run`; a cluster calls this on its workers."""
    return PROCESSES.run(text, folder)


def end_all() -> None:
    """End the jobs that are running on a worker of a cluster."""
    PROCESSES.end()


def run_job(job: Job, folder: Path) -> JobReport:
    """Track through the recording of a job, and write the outputs and the report to the new `folder`.

    An error becomes the report of a failed job; the folder does not appear then.
    """
    start_s = time.perf_counter()
    report = JobReport(job.name, job.source, DONE)
    try:
        report.fingerprint = job.fingerprint()
        _track(job, folder, report, start_s)
    except (UserError, OSError) as error:
        return failed(job, str(error))
    except Exception:  # a mistake in this program or in a library; the other jobs go on
        return failed(job, traceback.format_exc())
    return report


def _track(job: Job, folder: Path, report: JobReport, start_s: float) -> None:
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.engines.options import EngineOptions
    from siammaskpp_core.io.frame import FIRST
    from siammaskpp_core.io.outputs import Output
    from siammaskpp_core.io.video import open_frames
    from siammaskpp_core.offline.journal import Journal
    from siammaskpp_core.offline.results import FrameResult
    from siammaskpp_core.offline.video import track_video
    from siammaskpp_core.offline.writers.formats import OutputPlan
    from siammaskpp_core.tracking import LongTermTracker

    states: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def count(result: FrameResult) -> None:
        report.frames += 1
        for target in result:
            states[target.id][target.state.name] += 1

    def load() -> LongTermTracker:
        return LongTermTracker(load_tracker(job.model, EngineOptions(**job.engine), job.rotated_box))

    start, end = job.moments()
    journal_path = folder.with_name(f".{job.name}.resume")
    with Journal(journal_path, report.fingerprint) as journal, Output(folder, is_folder=True) as work:
        plans = [OutputPlan(format, work / output_name(format)) for format in job.formats]
        options: dict[str, Any] = {
            "writers": [count],
            "start": start or FIRST,
            "end": end,
            "name": job.name,
            "classes": job.classes,
            "journal": journal,
        }
        if job.topic is None:
            outcome = track_video(open_frames(job.source), load(), job.selections(), plans, **options)
        else:
            from siammaskpp_core.offline.bag import track_bag

            outcome = track_bag(Path(job.source), job.topic, job.selections(), load, plans, **options)
        if outcome.failure is not None:
            raise outcome.failure
        report.left_out = list(outcome.left_out)
        report.states = {id: dict(counts) for id, counts in states.items()}
        report.seconds = round(time.perf_counter() - start_s, 3)
        (work / RESULT).write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")


def failed(job: Job, message: str) -> JobReport:
    """Return the report of a job that failed."""
    return JobReport(job.name, job.source, FAILED, message.strip())


def _cause(code: int, errors: str) -> str:
    """Return why a process ended with a code that is not 0."""
    if code >= 0:
        return f"the process ended with {code}: {errors[-_TAIL:]}"
    name = signal.Signals(-code).name
    more = ": there may be too little memory; try fewer --workers" if name == "SIGKILL" else ""
    return f"the process was ended by {name}{more}"


def main() -> int:
    """Process the job in the standard input; print its report."""
    import cv2

    job = Job.from_json(sys.stdin.read())
    cv2.setNumThreads(max(1, job.engine.get("threads", 0)))
    report = run_job(job, Path(sys.argv[1]))
    print(json.dumps(asdict(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
