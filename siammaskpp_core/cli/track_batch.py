"""The subcommand `track-batch`: track through many recordings that a file describes."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

from siammaskpp_core.arguments import options_from, positive
from siammaskpp_core.cli.arguments import Commands, add_model, add_rotated_box
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.outcome import Outcome

_EXAMPLE = """\
example of JOBS.yaml; docs/recordings.md describes all keys:
  formats: [video, csv, coco]
  jobs:
    - video: cup.mp4
      targets:
        - {label: cup, box: [306, 122, 110, 262]}
        - {label: spoon, box: [10, 20, 60, 30], at: 120}
    - bag: drive.mcap
      topic: /camera/image_raw
      end: 90s
      targets: [{label: person, box: [220, 80, 60, 160]}]
"""


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    batch = commands.add_parser(
        "track-batch",
        help="track through many videos and bags, on all cores or on a cluster",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Track through all videos and bags of a file. Each job has a folder, which appears when\n"
        "it is complete, and a row in report.csv. A job that fails stops no other; the exit code is 3 then.\n"
        "The same command started again does what is missing.",
        epilog=_EXAMPLE,
    )
    batch.add_argument("jobs", type=Path, metavar="JOBS.yaml", help="file of jobs")
    batch.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the results (default: output: in the file, or JOBS_results beside it)",
    )
    batch.add_argument(
        "--workers", type=positive, metavar="N", help="jobs at a time (default: one for each processor)"
    )
    batch.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="scheduler of a Dask cluster that shares the folders, such as tcp://host:8786 (needs the extra "
        "[cluster])",
    )
    add_rotated_box(batch)
    add_model(batch)


def run(options: argparse.Namespace) -> Outcome:
    """Process the jobs, and return how many are done."""
    from siammaskpp_core.offline.batch.jobs import read_jobs
    from siammaskpp_core.offline.batch.run import track_batch

    file = read_jobs(options.jobs)
    engine = asdict(options_from(EngineOptions, options))
    model = None if options.model is None else str(options.model.resolve())
    jobs = [replace(job, model=model, engine=engine, rotated_box=options.rotated_box) for job in file.jobs]
    return track_batch(jobs, options.output or file.output, workers=options.workers, cluster=options.cluster)
