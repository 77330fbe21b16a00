"""The progress bar of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def frame_progress(frames: int) -> Iterator[Callable[[str, int], None]]:
    """Show a bar for `frames` frames; yields a function that takes a label and the frames just processed."""
    with tqdm(total=frames, unit="frame", mininterval=0.5) as bar:

        def advance(label: str, processed: int = 1) -> None:
            bar.set_description(label, refresh=False)
            bar.update(processed)

        yield advance
