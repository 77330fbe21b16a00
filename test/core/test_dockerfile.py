"""The container image, as far as it can be checked without Docker."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_nodes_do_not_run_as_root() -> None:
    names = [name for name, _ in instructions()]
    users = [value for name, value in instructions() if name == "USER"]
    assert users
    assert users[-1].split(":")[0] not in ("root", "0")
    # The check that the network runs is done by the same user, after everything that needs root.
    assert "apt-get" not in " ".join(value for _, value in instructions()[names.index("USER") :])
    assert "load_tracker()" in " ".join(value for _, value in instructions()[names.index("USER") :])


def test_the_document_names_the_user() -> None:
    (user,) = (value for name, value in instructions() if name == "USER")
    assert re.search(rf"runs? as the user `{user}`", (ROOT / "docs/docker.md").read_text(encoding="utf-8"))
