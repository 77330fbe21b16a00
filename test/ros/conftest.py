"""The tests in test/ros need ROS 2 and the built package on the path; ``make test`` provides both."""

from __future__ import annotations

import fcntl
import importlib.util
import itertools
import os
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

# Discovery is limited to this machine, so that tests never meet robots on the same network.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


HAS_ROS = _has("rclpy") and _has("siammaskpp.msg")
collect_ignore_glob = [] if HAS_ROS else ["test_*.py"]
# Domain ids up to 101 do not use ephemeral ports; each test takes the next id that no other test uses.
_domains = itertools.count(os.getpid())


@contextmanager
def _free_domain() -> Iterator[int]:
    """Reserve a domain id, which no other test run on this machine uses until the end of the block.

    Node processes inherit the lock: those that outlive a test run that was killed keep their domain.
    """
    from ros_harness import end_processes_of  # needs ROS

    for number in itertools.islice(_domains, 1010):
        domain = 1 + number % 101
        with ExitStack() as held:
            try:
                path = Path(tempfile.gettempdir()) / f"siammaskpp_test_domain_{domain}.lock"
                lock = held.enter_context(path.open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # locked by another run, or a file of another user
                continue
            os.set_inheritable(lock.fileno(), True)
            try:
                yield domain
            finally:
                end_processes_of(domain)
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
    """A domain id for a node that several tests share."""
    with _free_domain() as domain:
        yield domain


@pytest.fixture
def client(domain_id: int) -> Iterator[Client]:
    from ros_harness import Client  # needs ROS

    client = Client(domain_id)
    yield client
    client.close()
