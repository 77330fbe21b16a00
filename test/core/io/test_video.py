"""Frame sources and video files."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from siammaskpp_core.io.images import MediaError
from siammaskpp_core.io.outputs import OutputError
from siammaskpp_core.io.video import VideoWriter, open_frames


def picture(value: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def write_video(path: Path, values: list[int], fps: float = 10) -> Path:
    with VideoWriter(path, (64, 48), fps) as writer:
        for value in values:
            writer.write(picture(value))
    return path


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "clip.mkv"])
def test_what_is_written_is_read_back(tmp_path, name):
    values = [20, 90, 160, 230]
    frames = open_frames(write_video(tmp_path / name, values))
    assert (frames.size, frames.fps, frames.is_camera) == ((64, 48), 10, False)
    assert [round(float(image.mean())) for image in frames] == pytest.approx(values, abs=4)


def test_folder_in_natural_order(tmp_path):
    for number in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), picture(number))
    (tmp_path / "notes.txt").write_text("not a picture")
    frames = open_frames(tmp_path)
    assert (frames.size, frames.count, frames.fps) == ((64, 48), 3, None)
    assert [int(image[0, 0, 0]) for image in frames] == [1, 9, 10]


def test_grey_pictures_become_bgr(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), picture(7)[:, :, 0])
    (image,) = open_frames(tmp_path)
    assert image.shape == (48, 64, 3)


def test_unreadable_sources_name_cause_and_remedy(tmp_path):
    with pytest.raises(MediaError, match="no such file or folder; give a video"):
        open_frames(tmp_path / "missing.mp4")
    with pytest.raises(MediaError, match="no images in it"):
        open_frames(tmp_path)
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    with pytest.raises(MediaError, match=r"text.mp4: not a video that OpenCV can read.*ffmpeg"):
        open_frames(text)
    with pytest.raises(MediaError, match="camera 97: it gives no image"):
        open_frames("97")


def test_a_damaged_picture_and_one_of_another_size_are_named(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), picture(7))
    cv2.imwrite(str(tmp_path / "1.png"), picture(7, 32, 32))
    with pytest.raises(MediaError, match="frame 1 is 32x32, the first was 64x48"):
        list(open_frames(tmp_path))
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(MediaError, match=r"1.png: not a readable image"):
        list(open_frames(tmp_path))


def test_a_video_cut_off_is_refused_at_its_end(tmp_path):
    path = write_video(tmp_path / "cut.avi", list(range(100, 200)))
    # The header still promises 100 frames.
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"only \d+ of \d+ frames could be read"):
        list(open_frames(path))


def test_formats_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"written as .avi, .mkv, .mp4"):
        VideoWriter(tmp_path / "clip.gif", (64, 48), 10)
