"""Fixture of the tests of the web page."""

from collections.abc import Iterator

import pytest
from web_harness import Robot


@pytest.fixture
def robot(domain_id: int) -> Iterator[Robot]:
    """A robot without nodes; those that a test starts end with it."""
    with Robot(domain_id) as running:
        yield running
