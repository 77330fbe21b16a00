"""Runs the command `siammaskpp` in the process of a test, with a video of a bright square."""

import numpy as np

from siammaskpp_core.cli.main import main

FRAMES = 8


def run(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def error_of(capsys, *arguments) -> str:
    """The one line that a refused command prints."""
    assert run(*arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def use_tracker(monkeypatch, make, chosen=None):
    """Let the commands track with `make()`; the arguments of the loader are appended to `chosen`."""

    def load_tracker(*arguments):
        if chosen is not None:
            chosen.append(arguments)
        return make()

    # The module of the evaluation first: importing it must not bind the replaced names for good.
    for loader in ("siammaskpp_core.evaluation.run", "siammaskpp_core.engines.load"):
        monkeypatch.setattr(f"{loader}.load_tracker", load_tracker)
    for module in ("siammaskpp_core.evaluation.run", "siammaskpp_core.tracking"):
        monkeypatch.setattr(f"{module}.LongTermTracker", lambda tracker: tracker)


def pictures() -> list[np.ndarray]:
    images = [np.full((96, 128, 3), 40, np.uint8) for _ in range(FRAMES)]
    for index, image in enumerate(images):
        image[30:50, 20 + 4 * index : 45 + 4 * index] = 255
    return images
