"""ROS tests need ROS 2 and the built package on the path (make test sees to both)."""

from __future__ import annotations

import fcntl
import importlib.util
import itertools
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ros_harness import Client

sys.path.insert(0, str(Path(__file__).parent))  # the harness and the fakes

# A shell starts background jobs with SIGINT ignored, which our processes would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Only this machine, so that tests never meet the robots of the same network.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


HAS_ROS = _has("rclpy") and _has("siammaskpp.msg")
collect_ignore_glob = [] if HAS_ROS else ["test_*.py"]
# Domain ids up to 101 are free of the ephemeral ports; each test takes the next that nobody else tests in.
_domains = itertools.count(os.getpid())


@contextmanager
def _free_domain() -> Iterator[int]:
    """A domain id, kept from the other test runs on this machine until the end of the block."""
    for number in itertools.islice(_domains, 1010):
        domain = 1 + number % 101
        with ExitStack() as held:
            try:
                path = Path(tempfile.gettempdir()) / f"siammaskpp_test_domain_{domain}.lock"
                fcntl.flock(held.enter_context(path.open("w")), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # somebody's: locked, or a file of another user
                continue
            yield domain
            return
    raise RuntimeError("all ROS domains are in use by other tests")


def pytest_report_header() -> str:
    return (
        "ros: found"
        if HAS_ROS
        else "ros: NOT FOUND, test/ros is left out (make build, source install/setup.bash)"
    )


@pytest.fixture
def domain_id() -> Iterator[int]:
    with _free_domain() as domain:
        yield domain


@pytest.fixture(scope="module")
def module_domain_id() -> Iterator[int]:
    """For a node that several tests share."""
    with _free_domain() as domain:
        yield domain


@pytest.fixture
def client(domain_id: int) -> Iterator[Client]:
    from ros_harness import Client  # needs ROS

    client = Client(domain_id)
    yield client
    client.close()
