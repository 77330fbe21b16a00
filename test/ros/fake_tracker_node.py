"""The tracker node with the fake tracker.

Arguments: STEP_S [--init-seconds S] [--load-seconds S] [ROS arguments].
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fake_tracker import FakeTracker

from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_ros.tracker.node import main

parser = argparse.ArgumentParser()
parser.add_argument("step_s", type=float)
parser.add_argument("--init-seconds", type=float, default=0.0)
parser.add_argument("--load-seconds", type=float, default=0.0)
own, ros_arguments = parser.parse_known_args()


def load(model_dir: Path, options: EngineOptions) -> FakeTracker:
    if not model_dir.is_dir():
        raise FileNotFoundError(f"{model_dir} is no model folder")
    print(
        f"engine: {options.engine} {options.precision} {options.threads} {options.cpu_affinity}", flush=True
    )
    if own.load_seconds:
        print("loading", flush=True)
        # Sleep in short pieces: a signal that arrives just before a sleep does not interrupt it.
        end_s = time.monotonic() + own.load_seconds
        while time.monotonic() < end_s:
            time.sleep(0.05)
    return FakeTracker(own.step_s, own.init_seconds)


sys.exit(main(ros_arguments, load))
