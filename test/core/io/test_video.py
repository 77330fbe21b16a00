"""Frame sources and video files."""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from limits import files_up_to

from siammaskpp_core.io import video
from siammaskpp_core.io.frame import Moment
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
    for camera in ("97", "/dev/video97"):
        with pytest.raises(MediaError, match=f"{camera}: it gives no image; check that it is plugged in"):
            open_frames(camera)
    with pytest.raises(MediaError, match=r"rtsp://127.0.0.1:9/cam: no video or stream .* check the address"):
        open_frames("rtsp://somebody:secret@127.0.0.1:9/cam")


def test_numbered_images(tmp_path):
    """OpenCV stops at the first number that is missing, or that cannot be read."""
    for number in (1, 2, 4, 10):
        cv2.imwrite(str(tmp_path / f"img_{number:05d}.png"), picture(number))
    cv2.imwrite(str(tmp_path / "depth_00001.png"), picture(99))
    frames = open_frames(tmp_path / "img_%05d.png")
    assert (frames.count, frames.is_camera) == (4, False)
    assert [int(image[0, 0, 0]) for image in frames] == [1, 2, 4, 10]
    assert open_frames(str(tmp_path / "img_%d.png")).count == 4
    assert [int(image[0, 0, 0]) for image in open_frames(tmp_path / "*_0000?.png")] == [99, 1, 2, 4]
    for missing in ("image_%05d.png", "image_*.png"):
        with pytest.raises(MediaError, match="no such file"):
            open_frames(tmp_path / missing)


def test_frames_that_cannot_be_read_are_left_out_and_named(tmp_path):
    for number in range(5):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(10 * number))
    (tmp_path / "0.png").write_bytes(b"")
    (tmp_path / "2.png").write_bytes(b"not a picture")
    cv2.imwrite(str(tmp_path / "3.png"), picture(7, 32, 32))
    (tmp_path / "5.heic").touch()
    frames = open_frames(tmp_path)
    assert [(number, int(image[0, 0, 0])) for number, image in frames.numbered()] == [(1, 10), (4, 40)]
    expected = (
        r"5.heic: .heic images are not read; convert it",
        r"0.png: not a readable image",
        r"2.png: not a readable image",
        r"frame 3 is 32x32, the first was 64x48",
    )
    assert len(frames.left_out) == len(expected)
    for message, part in zip(frames.left_out, expected, strict=True):
        assert part in message


def test_a_folder_without_one_good_image_is_refused(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(MediaError, match=r"none of 3 images can be read; the last one: .*2.jpg: not a read"):
        open_frames(tmp_path)


def test_a_video_cut_off_keeps_its_frames_and_is_named(tmp_path):
    path = write_video(tmp_path / "cut.avi", list(range(100, 200)))
    # The header still promises 100 frames.
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = open_frames(path)
    count = len(list(frames))
    assert 20 < count < 80
    (message,) = frames.left_out
    assert f"only {count} of 100 frames could be read" in message
    assert "ffmpeg" in message


def hide_the_second_half(path: Path, frames: int) -> None:
    """Add an edit list to an MP4 that shows only the first half, as a phone does when a film is trimmed."""
    data = path.read_bytes()
    start = data.index(b"moov") - 4
    moov = data[start : start + struct.unpack(">I", data[start : start + 4])[0]]
    timescale = struct.unpack(">I", moov[moov.index(b"mvhd") + 16 :][:4])[0]
    rate = 10
    shown = frames * timescale // (2 * rate)
    entry = struct.pack(">I4sIIIiI", 28, b"elst", 0, 1, shown, 0, 1 << 16)
    edits = struct.pack(">I4s", 8 + len(entry), b"edts") + entry
    track = moov.index(b"trak") - 4
    length = struct.unpack(">I", moov[track : track + 4])[0]
    old = moov.find(b"edts", track)
    if old >= 0:  # the name of a box that readers skip
        moov = moov[:old] + b"free" + moov[old + 4 :]
    changed = struct.pack(">I", length + len(edits)) + moov[track + 4 : track + length] + edits
    moov = moov[:track] + changed + moov[track + length :]
    moov = struct.pack(">I", len(moov)) + moov[4:]
    path.write_bytes(data[:start] + moov)  # OpenCV writes the box moov after the pictures


def test_frames_behind_an_edit_list_are_named(tmp_path):
    path = write_video(tmp_path / "trimmed.mp4", list(range(60, 180)))
    hide_the_second_half(path, 120)
    frames = open_frames(path)
    count = len(list(frames))
    assert 55 < count < 65
    (message,) = frames.left_out
    assert f"only {count} of 120 frames could be read" in message
    assert "edit list" in message


@contextmanager
def camera_server(*counts: int) -> Iterator[str]:
    """A network camera that sends so many JPEG images in each connection, and then no more."""
    waiting = list(counts)
    jpeg = cv2.imencode(".jpg", picture(120))[1].tobytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if not waiting:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for _ in range(waiting.pop(0)):
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://user:secret@127.0.0.1:{server.server_port}/stream.mjpg"
    finally:
        server.shutdown()
        server.server_close()


def test_a_stream_is_opened_again_and_then_given_up(monkeypatch):
    monkeypatch.setattr(video, "RETRY_S", 0.5)
    with camera_server(8, 8) as address:
        frames = open_frames(address)
        assert frames.is_camera
        assert frames.size == (64, 48)
        assert "secret" not in frames.name
        read = []
        with pytest.raises(
            MediaError, match=r"127.0.0.1.*: no image for 0.5 s, although it was opened again"
        ):
            read.extend(number for number, _ in frames.numbered())
        assert len(read) > 8, "images of both connections"


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "clip.mkv"])
def test_a_video_on_a_full_disk_is_an_error(tmp_path, name):
    """OpenCV says nothing; the file has no frames, or only some of them."""

    def write_noise() -> None:
        with VideoWriter(tmp_path / name, (64, 48), 10) as writer:
            for image in np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), dtype=np.uint8):
                writer.write(image)

    write_noise()
    with pytest.raises(OutputError, match="could not be written completely; make"), files_up_to(20_000):
        write_noise()


def test_formats_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"written as .avi, .mkv, .mp4"):
        VideoWriter(tmp_path / "clip.gif", (64, 48), 10)


@pytest.mark.parametrize("kind", ["clip.avi", "pictures"])
def test_a_part_begins_where_it_is_asked_to(tmp_path, kind, monkeypatch):
    values = [20, 60, 100, 140, 180, 220]
    source = tmp_path / kind
    if kind == "pictures":
        source.mkdir()
        for number, value in enumerate(values):
            cv2.imwrite(str(source / f"{number}.png"), picture(value))
        (source / "1.png").write_bytes(b"damaged")
    else:
        write_video(source, values)
    fps = open_frames(source).fps or 25.0
    for start in (Moment(frame=3), Moment(time_ns=round(2.5 / fps * 1e9))):
        frames = open_frames(source)
        part = list(frames.stamped(start=start))
        assert [frame.number for frame in part] == [3, 4, 5]
        assert [int(frame.image.mean()) for frame in part] == pytest.approx(values[3:], abs=4)
        assert part[0].time_s == pytest.approx(3 / fps)
        assert frames.left_out == [], "what is not used is not read"
    assert list(open_frames(source).stamped(start=Moment(frame=9))) == []
