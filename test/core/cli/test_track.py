"""The subcommand `track`, with a tracker that follows a bright square."""

import csv
import signal
import sys
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from bright_square import BrightSquare
from command import FRAMES, error_of, pictures, run, use_tracker
from limits import files_up_to

from siammaskpp_core.io.images import MediaError
from siammaskpp_core.io.video import Frames, VideoWriter, open_frames
from siammaskpp_core.offline.session import Selection
from siammaskpp_core.tracking.boxes import mask_bounding_box


def test_track_writes_everything_asked_for(folder, tmp_path, capsys):
    overlay, masks, table = tmp_path / "overlay.mp4", tmp_path / "masks", tmp_path / "tracks.csv"
    box = ("--box", "20,30,25,20")
    assert run("track", folder, *box, "--output", overlay, "--masks", masks, "--csv", table) == 0

    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(FRAMES))
    expected = {"x": 32, "y": 30, "width": 25, "height": 20, "center_x": 44.5, "center_y": 40}
    expected |= {
        "rotated_width": 25,
        "rotated_height": 20,
        "angle_rad": 0,
        "confidence": 0.75,
        "stamp_s": 0.12,
    }
    assert {key: float(rows[3][key]) for key in expected} == expected
    assert rows[3]["id"] == "target"

    files = sorted(masks.iterdir())
    assert [file.name for file in files] == [f"{index:04d}.png" for index in range(FRAMES)]
    mask = cv2.imread(str(files[3]), cv2.IMREAD_UNCHANGED)
    assert mask_bounding_box(mask).tolist() == [32, 30, 25, 20]

    frames = list(open_frames(overlay))
    assert len(frames) == FRAMES
    blue, green, _ = frames[3][40, 44].astype(int)
    assert green > blue + 30, "the square is tinted"
    output = capsys.readouterr()
    assert output.out.startswith(f"{FRAMES} frames, ")
    assert "fps" in output.out
    assert f"{FRAMES}/{FRAMES}" in output.err, "progress"


def test_where_the_object_is_not_seen_there_is_no_place(folder, tmp_path):
    cv2.imwrite(str(folder / "0005.png"), np.full((96, 128, 3), 40, np.uint8))
    overlay, masks, table = tmp_path / "overlay.avi", tmp_path / "masks", tmp_path / "tracks.csv"
    outputs = ("--output", overlay, "--masks", masks, "--csv", table)
    assert run("track", folder, "--box", "20,30,25,20", *outputs) == 0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["TRACKING"] * 5 + ["LOST"] + ["TRACKING"] * 2
    assert [key for key in rows[5] if rows[5][key]] == ["stamp_s", "frame", "id", "state", "confidence"]
    assert not cv2.imread(str(masks / "0005.png")).any()
    frames = list(open_frames(overlay))
    assert np.abs(frames[5][40:].astype(int) - 40).max() < 8, "no place is drawn"
    assert frames[5][:30].max() > 150, "the state is written in the corner"


def test_the_first_frame_starts_the_target_and_the_others_have_stamps(folder, monkeypatch):
    seen = []

    class Drifting(BrightSquare):
        def step(self, image, targets, stamp_ns):
            (target,) = targets
            place = target.track.place
            seen.append((place.center_x, stamp_ns))
            target.track = replace(target.track, place=place._replace(center_x=place.center_x + 1))
            return super().step(image, targets, stamp_ns)

    use_tracker(monkeypatch, Drifting)
    assert run("track", folder, "--box", "20,30,24,20") == 0
    assert [x for x, _ in seen[:3]] == [32, 33, 34]
    assert seen[2][1] == 3 * 40_000_000, "25 frames a second when the source does not say"


def test_track_takes_the_kind_of_rotated_box(folder, monkeypatch):
    chosen = []
    use_tracker(monkeypatch, BrightSquare, chosen)
    assert run("track", folder, "--box", "20,30,25,20") == 0
    assert run("track", folder, "--box", "20,30,25,20", "--rotated-box", "ellipse") == 0
    assert [rotated_box for _, _, rotated_box in chosen] == [None, "ellipse"]


def test_track_reads_video_files(tmp_path, capsys):
    with VideoWriter(tmp_path / "clip.mp4", (128, 96), 10) as writer:
        for image in pictures():
            writer.write(image)
    assert run("track", tmp_path / "clip.mp4", "--box", "20,30,25,20") == 0
    assert capsys.readouterr().out.startswith(f"{FRAMES} frames")


class Interrupted(BrightSquare):
    """The signal of Ctrl-C comes during the third step; some programs send it twice."""

    steps = 0

    def step(self, *arguments):
        self.steps += 1
        if self.steps == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return super().step(*arguments)


@pytest.mark.parametrize("is_camera", [False, True])
def test_ctrl_c_keeps_what_is_finished(is_camera, tmp_path, monkeypatch, capsys):
    frames = Frames("test", (128, 96), None, None if is_camera else FRAMES, is_camera, iter(pictures()))
    monkeypatch.setattr("siammaskpp_core.io.video.open_frames", lambda source: frames)
    use_tracker(monkeypatch, Interrupted)
    table, overlay = tmp_path / "tracks.csv", tmp_path / "overlay.avi"
    code = run("track", "0", "--box", "20,30,25,20", "--csv", table, "--output", overlay)
    assert len(table.read_text().splitlines()) == 1 + 4
    assert len(list(open_frames(overlay))) == 4
    output = capsys.readouterr()
    if is_camera:  # Ctrl-C is how the video of a camera ends
        assert (code, "interrupted" in output.err) == (0, False)
    else:
        assert (code, "interrupted" in output.err) == (130, True)
        assert output.out.startswith(f"4 of {FRAMES} frames")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_images_of_a_camera_have_the_time_of_their_arrival(tmp_path, monkeypatch):
    def images():
        for image in pictures():
            yield image
            time.sleep(0.1)

    frames = Frames("camera 0", (128, 96), 30.0, None, True, images())
    monkeypatch.setattr("siammaskpp_core.io.video.open_frames", lambda source: frames)
    assert run("track", "0", "--box", "20,30,25,20", "--csv", tmp_path / "tracks.csv") == 0
    with (tmp_path / "tracks.csv").open() as file:
        stamps = [float(row["stamp_s"]) for row in csv.DictReader(file)]
    assert stamps[0] == 0
    assert stamps[-1] > 0.1 * (FRAMES - 1) - 0.02


def test_a_camera_that_fails_leaves_what_is_finished(tmp_path, monkeypatch, capsys):
    def images():
        yield from pictures()
        raise MediaError("camera 0: no image for 10 s")

    frames = Frames("camera 0", (128, 96), None, None, True, images())
    monkeypatch.setattr("siammaskpp_core.io.video.open_frames", lambda source: frames)
    table = tmp_path / "tracks.csv"
    error = error_of(capsys, "track", "0", "--box", "20,30,25,20", "--csv", table)
    assert "no image for 10 s" in error
    assert len(table.read_text().splitlines()) == 1 + FRAMES


def test_bad_boxes_leave_nothing_behind(folder, tmp_path, capsys):
    outputs = ("--output", tmp_path / "overlay.mp4", "--csv", tmp_path / "tracks.csv")
    for box, cause in [
        ("500,10,20,20", "outside the 128x96 image"),
        ("-50,10,20,20", "outside the 128x96 image"),
        ("1,1,0,5", "empty"),
        ("nan,1,5,5", "finite"),
    ]:
        assert cause in error_of(capsys, "track", folder, "--box", box, *outputs)
    assert [path.name for path in tmp_path.iterdir()] == ["Square"]


def test_a_box_may_reach_over_the_border(folder, tmp_path):
    """A number below zero may be a word of its own, as any other value of an argument."""
    assert run("track", folder, "--box", "-5.5,-3,50,50") == 0
    assert run("track", folder, "--box=-5.5,-3,50,50", "--csv", tmp_path / "tracks.csv") == 0


def test_damaged_frames_are_left_out_and_named(folder, tmp_path, capsys):
    (folder / "0005.png").write_bytes(b"")
    (folder / "._0001.png").write_bytes(b"a resource fork")
    masks, table = tmp_path / "masks", tmp_path / "tracks.csv"
    assert run("track", folder, "--box", "20,30,25,20", "--masks", masks, "--csv", table) == 3
    output = capsys.readouterr()
    assert "left out: 1\n" in output.err
    assert "0005.png: not a readable image" in output.err
    assert output.out.startswith(f"{FRAMES - 1} frames, ")
    kept = [index for index in range(FRAMES) if index != 5]
    assert sorted(file.name for file in masks.iterdir()) == [f"{index:04d}.png" for index in kept]
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["frame"]), float(row["x"])) for row in rows] == [
        (index, 20 + 4 * index) for index in kept
    ]
    assert float(rows[-1]["stamp_s"]) == (FRAMES - 1) / 25


def test_many_damaged_frames_are_counted(folder, capsys):
    for index in range(20):
        (folder / f"1{index:03d}.png").write_bytes(b"")
    assert run("track", folder, "--box", "20,30,25,20") == 3
    error = capsys.readouterr().err
    assert "left out: 20\n" in error
    assert error.count("not a readable image") == 10
    assert "and 10 more" in error


@pytest.mark.parametrize("option", ["--output", "--masks", "--csv"])
def test_a_full_disk_leaves_nothing_behind(option, tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 200, (30, 96, 128, 3), dtype=np.uint8)
    (tmp_path / "video").mkdir()
    for index, image in enumerate(noise):
        cv2.imwrite(str(tmp_path / f"video/{index:03d}.png"), image)
    name = {"--output": "overlay.mp4", "--masks": "masks", "--csv": "tracks.csv"}[option]
    limit = {"--output": 20_000, "--masks": 50, "--csv": 1_000}[option]
    with files_up_to(limit):
        error = error_of(capsys, "track", tmp_path / "video", "--box", "20,30,25,20", option, tmp_path / name)
    assert "make space on the disk" in error
    assert error.startswith(f"error: {tmp_path / name}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["video"]


def test_bad_sources_and_outputs(folder, tmp_path, capsys):
    box = ("--box", "20,30,25,20")
    assert "no such file" in error_of(capsys, "track", "missing.mp4", *box)
    assert "create it first" in error_of(capsys, "track", folder, *box, "--csv", tmp_path / "no/tracks.csv")
    assert "written as" in error_of(capsys, "track", folder, *box, "--output", tmp_path / "overlay.gif")
    clip = tmp_path / "clip.avi"
    with VideoWriter(clip, (128, 96), 10) as writer:
        writer.write(pictures()[0])
    assert "is the video to be read" in error_of(capsys, "track", clip, *box, "--output", clip)
    assert len(list(open_frames(clip))) == 1


def rows_of(table):
    with table.open() as file:
        return list(csv.DictReader(file))


def test_several_boxes_are_tracked_in_one_run(folder, tmp_path, capsys):
    table = tmp_path / "tracks.csv"
    boxes = ("--box", "cup=20,30,25,20", "--point", "cup=30,40", "--box", "20,30,25,20")
    assert run("track", folder, *boxes, "--csv", table) == 0
    rows = rows_of(table)
    assert [(row["id"], row["label"]) for row in rows[:3]] == [
        ("cup", "cup"),
        ("cup_2", "cup"),
        ("target", ""),
    ]
    assert len(rows) == 3 * FRAMES
    assert "cup TRACKING 0.75, cup_2 TRACKING 0.75, target" in capsys.readouterr().err, "progress"


@pytest.mark.parametrize(
    ("part", "frames"),
    [
        (("--start", "2"), range(2, FRAMES)),
        (("--end", "3"), range(4)),
        (("--start", "0.08s", "--end", "0:00:00.16"), range(2, 5)),
    ],
)
def test_a_part_of_a_video(part, frames, folder, tmp_path, capsys):
    table = tmp_path / "tracks.csv"
    assert run("track", folder, "--box", "28,30,25,20", *part, "--csv", table) == 0
    assert [int(row["frame"]) for row in rows_of(table)] == list(frames)
    assert f"{len(frames)}/{len(frames)}" in capsys.readouterr().err, "progress"


def test_a_part_that_the_video_does_not_have(folder, tmp_path, capsys):
    box = ("--box", "20,30,25,20")
    error = error_of(capsys, "track", folder, *box, "--start", "99", "--csv", tmp_path / "tracks.csv")
    assert "img: there is no frame from frame 99 to the end" in error
    assert [path.name for path in tmp_path.iterdir()] == ["Square"]
    with pytest.raises(SystemExit):
        run("track", folder, *box, "--end", "soon")
    assert "a frame such as 120 or a time such as 12.5s or 1:30" in capsys.readouterr().err


def test_no_run_ends_with_nothing(folder, tmp_path, capsys):
    for name in ("img_tracked.mp4", "img_tracked_2.mp4"):
        assert run("track", folder, "--box", "20,30,25,20") == 0
        output = folder.parent / name
        assert capsys.readouterr().out.splitlines()[1:] == [str(output)]
        assert len(list(open_frames(output))) == FRAMES
    assert run("track", folder / "%04d.png", "--box", "20,30,25,20", "--format", "csv") == 0
    assert len(rows_of(folder.parent / "img_tracked.csv")) == FRAMES


def test_a_format_with_its_path_and_an_overlay_beside_it(folder, tmp_path):
    paths = ("--output", tmp_path / "labels", "--overlay", tmp_path / "check.avi")
    assert run("track", folder, "--box", "cup=20,30,25,20", "--format", "yolo-seg", *paths) == 0
    assert len(list((tmp_path / "labels/labels/train").iterdir())) == FRAMES
    assert len(list(open_frames(tmp_path / "check.avi"))) == FRAMES


def test_a_window_shows_the_results_until_q(folder, tmp_path, monkeypatch, capsys):
    shown, keys = [], iter([-1, -1, ord("q")])
    monkeypatch.setenv("DISPLAY", ":0")
    for name in ("namedWindow", "destroyWindow"):
        monkeypatch.setattr(cv2, name, lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda _, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys))
    table = tmp_path / "tracks.csv"
    assert run("track", folder, "--box", "20,30,25,20", "--window", "--csv", table) == 0
    assert len(rows_of(table)) == len(shown) == 3

    def no_display(*_):
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(cv2, "namedWindow", no_display)
    assert "no display" in error_of(capsys, "track", folder, "--box", "20,30,25,20", "--window")


def test_without_a_box_somebody_points_at_the_object(folder, tmp_path, monkeypatch, capsys):
    """The view is a stand-in for the page: it sets a target in the second frame, and saves at the end."""
    serve = pytest.importorskip("siammaskpp_core.interactive.serve")

    def view(self, watched):
        assert (watched.name, watched.last) == ("img", FRAMES - 1)
        watched.player.go_to(1)
        watched.player.select(Selection(box_xywh=(24, 30, 25, 20), label="square"), 1)
        while not watched.player.is_at_end:
            watched.player.go_to(watched.player.tracked_to + 1)
        watched.save()

    monkeypatch.setattr(serve.BrowserView, "__call__", view)
    table = tmp_path / "tracks.csv"
    assert run("track", folder, "--csv", table) == 0
    assert capsys.readouterr().out.splitlines() == [f"{FRAMES} frames in {table}"]
    assert [(row["frame"], row["id"]) for row in rows_of(table)] == [
        (str(n), "square") for n in range(1, FRAMES)
    ]


def test_a_run_by_hand_that_is_left_without_a_target_writes_nothing(folder, tmp_path, monkeypatch, capsys):
    serve = pytest.importorskip("siammaskpp_core.interactive.serve")
    monkeypatch.setattr(serve.BrowserView, "__call__", lambda self, watched: None)
    assert run("track", folder, "--csv", tmp_path / "tracks.csv") == 0
    assert "nothing was tracked" in capsys.readouterr().out
    assert list(tmp_path.glob("*.csv")) == []


def test_an_output_that_cannot_be_written_is_refused_before_the_work(folder, tmp_path, monkeypatch, capsys):
    serve = pytest.importorskip("siammaskpp_core.interactive.serve")
    monkeypatch.setattr(serve.BrowserView, "__call__", lambda self, watched: pytest.fail("it was shown"))
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/old.png").write_bytes(b"")
    assert "not an empty folder" in error_of(capsys, "track", folder, "--masks", tmp_path / "masks")


def test_what_a_run_by_hand_needs(folder, monkeypatch, capsys):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "there is no display" in error_of(capsys, "track", folder, "--window")
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    for name in [name for name in sys.modules if name.startswith("siammaskpp_core.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "siammaskpp_core.interactive.serve", raising=False)
    error = error_of(capsys, "track", folder)
    assert "pip install 'siammaskpp[web]'" in error
    assert "--box" in error


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", ""])
def test_boxes_that_are_not_four_numbers(box, capsys):
    with pytest.raises(SystemExit) as error:
        run("track", "clip.mp4", "--box", box)
    assert error.value.code == 2
    assert "four numbers X,Y,W,H are expected" in capsys.readouterr().err
