"""The tests of subcommands track a bright square."""

from pathlib import Path

import cv2
import pytest
from bright_square import BrightSquare
from command import FRAMES, pictures, use_tracker


@pytest.fixture(autouse=True)
def fake_tracker(monkeypatch):
    use_tracker(monkeypatch, BrightSquare)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "Square" / "img"
    path.mkdir(parents=True)
    for index, image in enumerate(pictures()):
        cv2.imwrite(str(path / f"{index:04d}.png"), image)
    lines = [f"{20 + 4 * index},30,25,20" for index in range(FRAMES)]
    (path.parent / "groundtruth_rect.txt").write_text("\n".join(lines))
    return path
