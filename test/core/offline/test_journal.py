"""Runs that are interrupted and started again."""

import pickle
import signal
import sqlite3

import command
import cv2
import numpy as np
import pytest
from bright_square import BrightSquare
from squares import BLUE, BLUE_BOX, RED_BOX, frame, tracker

from siammaskpp_core.io.frame import Moment
from siammaskpp_core.offline.journal import Journal, run_key
from siammaskpp_core.offline.run import Run
from siammaskpp_core.offline.session import Selection, Session
from siammaskpp_core.offline.writers.base import Recording
from siammaskpp_core.offline.writers.formats import OutputPlan, open_writers
from siammaskpp_core.tracking.long_term.appearance import learn

FRAMES = 12
SELECTIONS = [
    Selection(RED_BOX, label="red"),
    Selection(BLUE_BOX, label="blue"),
    Selection((32, 30, 40, 40), id="red", at=Moment(frame=3)),
    Selection(id="blue", at=Moment(frame=8)),
    Selection((56, 30, 40, 40), label="late", at=Moment(frame=9)),
]


def run(folder, journal=None, count=FRAMES):
    """Track the first `count` frames into the table and the masks in `folder`; return the run."""
    folder.mkdir()
    plans = [OutputPlan("csv", folder / "t.csv"), OutputPlan("masks", folder / "masks")]
    with open_writers(plans, Recording("squares")) as writers:
        own = Run(Session(tracker()), SELECTIONS, writers, journal)
        for number in range(count):
            own.take(frame(number, without=BLUE if number in (5, 6) else None))
    own.end(is_finished=count == FRAMES)
    return own


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("stop", [1, 4, 9, FRAMES - 1])
def test_a_run_that_is_continued_ends_as_one_that_was_not_interrupted(tmp_path, stop):
    path = tmp_path / "journal"
    run(tmp_path / "whole")
    with Journal(path, "key") as journal:
        run(tmp_path / "first", journal, stop)
    assert path.exists()
    with Journal(path, "key") as journal:
        continued = run(tmp_path / "second", journal)
    assert (continued.count, continued.tracked) == (FRAMES, FRAMES - stop)
    assert content(tmp_path / "second") == content(tmp_path / "whole")
    assert not path.exists(), "it is of no use any more"


def test_work_behind_the_last_save_is_done_again(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    monkeypatch.setattr("siammaskpp_core.offline.journal.SAVE_S", -1)

    with Journal(path, "key") as journal:
        own = Run(Session(tracker()), SELECTIONS, (), journal)
        for number in range(5):
            if number == 3:
                monkeypatch.setattr("siammaskpp_core.offline.journal.SAVE_S", 99)
            own.take(frame(number))
    with Journal(path, "key") as journal:
        assert journal.last == 2
        assert journal.results(frame(3)) is None
        assert [target.id for target in journal.results(frame(2))] == ["red", "blue"]
        assert run(tmp_path / "again", journal).tracked == FRAMES - 3


def test_a_journal_of_something_else_or_a_damaged_one_is_started_anew(tmp_path):
    path = tmp_path / "journal"
    with Journal(path, "key") as journal:
        run(tmp_path / "first", journal, 4)
    with Journal(path, "another key") as journal:
        assert journal.last is None
        run(tmp_path / "second", journal, 4)
    path.write_bytes(b"no database" * 500)
    with Journal(path, "key") as journal:
        assert journal.last is None
    assert not path.exists()


def test_a_journal_that_cannot_be_written_stops_nothing(tmp_path):
    with Journal(tmp_path / "missing" / "journal", "key") as journal:
        assert run(tmp_path / "first", journal, 4).tracked == 4
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_of_two_runs_at_once_the_first_has_the_journal(tmp_path, caplog):
    with Journal(tmp_path / "journal", "key") as journal:
        with Journal(tmp_path / "journal", "key") as other:
            run(tmp_path / "second", other, 4)
        assert "this run cannot be resumed" in caplog.text
        run(tmp_path / "first", journal, 4)
    with Journal(tmp_path / "journal", "key") as journal:
        assert journal.last == 3


def test_the_outputs_of_an_interrupted_run_are_written_again(tmp_path):
    plans = [OutputPlan("csv", tmp_path / "t.csv"), OutputPlan("masks", tmp_path / "masks")]
    with Journal(tmp_path / "journal", "key") as journal:
        assert journal.outputs(lambda: plans) == plans
        run(tmp_path / "first", journal, 4)
    plans[0].path.touch()
    plans[1].path.mkdir()
    (plans[1].path / "0.png").touch()
    with Journal(tmp_path / "journal", "key") as journal:
        assert journal.outputs(list) == plans
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "journal"]


def test_the_memory_of_the_appearance_is_kept(tmp_path):
    first = Session(tracker())
    result = first.track(frame(0), [Selection(RED_BOX, id="red")])
    model = learn(np.random.default_rng(0).random((96, 31, 31), np.float32), (5.0, 5.0))
    track = first.memory["red"][2].track
    object.__setattr__(track, "appearance", model)
    object.__setattr__(track, "angle_rad", np.float64(0.5))
    with Journal(tmp_path / "journal", "key") as journal:
        journal.add(0, result.targets, first)
        journal.save(first)
        second = Session(tracker())
        journal.restore(second)
    kept = second.memory["red"][2].track
    assert kept.appearance.peak == model.peak
    np.testing.assert_array_equal(kept.appearance.projection, model.projection)
    assert (kept.angle_rad, kept.status, kept.motion) == (0.5, track.status, track.motion)


class Evil:
    def __reduce__(self):
        return print, ("code of a stranger",)


def test_a_journal_of_a_stranger_runs_no_code(tmp_path, capsys):
    path = tmp_path / "journal"
    with Journal(path, "key") as journal:
        run(tmp_path / "first", journal, 4)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE memory SET targets = ?", (pickle.dumps({"red": Evil()}),))
    database.close()
    with Journal(path, "key") as journal, pytest.raises(pickle.UnpicklingError, match="no part of a target"):
        journal.restore(Session(tracker()))
    assert "stranger" not in capsys.readouterr().out


def test_the_key_knows_the_settings_and_the_files(tmp_path):
    source = tmp_path / "pictures"
    source.mkdir()
    (source / "0.png").write_bytes(b"a")
    key = run_key(source, box=[1, 2])
    assert run_key(source, box=[1, 2]) == key
    assert run_key(source, box=[1, 3]) != key
    (source / "0.png").write_bytes(b"ab")
    assert run_key(source, box=[1, 2]) != key


def test_a_command_continues_what_was_interrupted(tmp_path, monkeypatch, capsys):
    (tmp_path / "img").mkdir()
    for number, image in enumerate(command.pictures()):
        cv2.imwrite(str(tmp_path / f"img/{number}.png"), image)
    steps = []

    class Interrupted(BrightSquare):
        def step(self, *arguments):
            steps.append(1)
            if len(steps) == 3:
                signal.raise_signal(signal.SIGINT)
            return super().step(*arguments)

    command.use_tracker(monkeypatch, Interrupted)
    arguments = ("track", tmp_path / "img", "--box", "20,30,25,20", "--format", "masks")
    assert command.run(*arguments) == 130
    assert len(list((tmp_path / "img_masks").iterdir())) == 4
    capsys.readouterr()
    assert command.run(*arguments, "--threads", 1) == 0
    assert len(steps) == command.FRAMES - 1, "no frame is tracked twice"
    assert "; 4 frames were tracked before" in capsys.readouterr().out
    assert len(list((tmp_path / "img_masks").iterdir())) == command.FRAMES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["img", "img_masks"]
