"""Process all jobs of a batch, here or on a cluster, and write one report."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from siammaskpp_core.errors import UserError, extra
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.offline.batch.jobs import Job
from siammaskpp_core.offline.batch.worker import (
    DONE,
    FAILED,
    PROCESSES,
    RESULT,
    JobReport,
    end_all,
    failed,
    run_apart,
)
from siammaskpp_core.outcome import RESUME, Interrupt, Outcome
from siammaskpp_core.tracking import State

REPORT = "report.csv"
COLUMNS = (
    *("name", "status", "frames", "seconds", "fps", "tracking", "uncertain", "lost"),
    *("left_out", "source", "message"),
)
"""Columns of the report. tracking, uncertain and lost are fractions of the results of all targets; left_out
counts the parts of the recording that could not be read."""
_POLL_S = 0.2  # time after which Ctrl-C is noticed


class BatchError(UserError):
    """A batch that cannot be started; the message says why and what to do."""


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def track_batch(
    jobs: Sequence[Job], output: Path, *, workers: int | None = None, cluster: str | None = None
) -> Outcome:
    """Process jobs, each in a process of its own, and write their folders and the report to `output`.

    Without `cluster`, the address of a Dask scheduler, `workers` jobs run at a time on this machine, by
    default one for each processor. A job whose folder exists is not done again. A job that fails is named in
    the report and in the outcome, and is tried again when the batch is started again; so is one whose folder
    holds other results, which are kept. Ctrl-C ends the jobs that are running. Raises :class:`BatchError`
    when the cluster does not answer.
    """
    output.mkdir(parents=True, exist_ok=True)
    reports = {job.name: report for job in jobs if (report := _finished(job, output / job.name)) is not None}
    waiting = [job for job in jobs if job.name not in reports]
    start_s = time.perf_counter()
    with Interrupt() as interrupt, _pool(workers, cluster, len(waiting)) as pool:
        running = {pool.start(job, output / job.name): job for job in waiting}
        with tqdm(total=len(jobs), initial=len(reports), unit="job", desc="batch") as bar:
            try:
                while running and not interrupt.is_requested:
                    finished, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                    for future in finished:
                        job = running.pop(future)
                        reports[job.name] = report = _report(job, future)
                        bar.set_postfix_str(f"{job.name} {report.status}", refresh=False)
                        bar.update()
                    if finished:
                        _write_report(output / REPORT, jobs, reports)
            finally:
                for future in running:
                    future.cancel()
                if running:
                    pool.end()
    _write_report(output / REPORT, jobs, reports)
    return _outcome(jobs, reports, output, time.perf_counter() - start_s, bool(running))


class _Pool(NamedTuple):
    """Where jobs run: a function that starts one, and a function that ends those that are running."""

    start: Callable[[Job, Path], Future[str]]
    end: Callable[[], object]


@contextmanager
def _pool(workers: int | None, cluster: str | None, count: int) -> Iterator[_Pool]:
    if cluster is None:
        slots = max(1, min(workers or cores(), count))
        with ThreadPoolExecutor(slots) as executor:
            yield _Pool(_starter(executor, max(1, cores() // slots)), PROCESSES.end)
        return
    with extra("cluster", "for --cluster"):
        import distributed
    try:
        client = distributed.Client(cluster, timeout=10)
    except (OSError, ValueError) as error:
        raise BatchError(
            f"no Dask scheduler answers at {cluster} ({error}); start one: dask scheduler"
        ) from error
    with client:
        # Jobs are processes with threads of their own; a worker of Dask runs as many as it has threads.
        yield _Pool(_starter(client.get_executor(pure=False), 1), lambda: client.run(end_all))


def _starter(executor: Executor, threads: int) -> Callable[[Job, Path], Future[str]]:
    """Return a function that submits a job, whose engine has `threads` unless the job says otherwise."""

    def start(job: Job, folder: Path) -> Future[str]:
        if not job.engine.get("threads"):
            job = replace(job, engine={**job.engine, "threads": threads})
        return executor.submit(run_apart, job.to_json(), str(folder.resolve()))

    return start


def _report(job: Job, future: Future[str]) -> JobReport:
    error = future.exception()
    if error is not None:  # of the pool, such as a worker of the cluster that went away
        return failed(job, f"{type(error).__name__}: {error}")
    return JobReport(**json.loads(future.result()))


def _finished(job: Job, folder: Path) -> JobReport | None:
    """Return the report of a job that was finished before, None for one that is to be done.

    A folder with other results is the report of a failed job.
    """
    if not folder.exists():
        return None
    try:
        report = JobReport(**json.loads((folder / RESULT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        report = None
    if report is None or report.fingerprint != job.fingerprint():
        return failed(
            job,
            f"{folder}: holds results of other settings, of another recording or of another version; remove "
            "it, or choose another --output",
        )
    return replace(report, is_resumed=True)


def _write_report(path: Path, jobs: Sequence[Job], reports: Mapping[str, JobReport]) -> None:
    """Write a row for each job that has ended, in the order of the jobs."""
    with Output(path) as work, work.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for report in (reports[job.name] for job in jobs if job.name in reports):
            counts = [sum(states.get(state.name, 0) for states in report.states.values()) for state in State]
            total = sum(counts)
            fractions = [f"{count / total:.3f}" if total else "" for count in counts]
            fps = f"{report.frames / report.seconds:.1f}" if report.seconds else ""
            numbers = (report.frames, f"{report.seconds:.1f}", fps, *fractions, len(report.left_out))
            table.writerow([report.name, report.status, *numbers, report.source, report.message])


def _outcome(
    jobs: Sequence[Job], reports: Mapping[str, JobReport], output: Path, total_s: float, is_interrupted: bool
) -> Outcome:
    done = [report for report in reports.values() if report.status == DONE]
    new = [report for report in done if not report.is_resumed]
    frames = sum(report.frames for report in new)
    lines = [f"{len(done)} of {len(jobs)} jobs are done, {len(done) - len(new)} of them before"]
    if new:
        lines.append(f"{frames} frames in {total_s:.1f} s: {frames / total_s:.1f} fps")
    lines.append(str(output / REPORT))
    left_out = [
        f"{report.name}: {report.message.splitlines()[-1] if report.message else FAILED}"
        for report in reports.values()
        if report.status == FAILED
    ]
    left_out += [f"{report.name}: {message}" for report in done for message in report.left_out]
    if is_interrupted:
        lines.append(RESUME)
    elif len(done) < len(jobs):
        lines.append("start the same command again to try the failed jobs again")
    return Outcome("\n".join(lines), tuple(left_out), is_interrupted=is_interrupted)
