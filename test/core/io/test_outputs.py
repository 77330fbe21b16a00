"""Files and folders that appear when they are complete."""

import contextlib
from pathlib import Path

import pytest
from limits import files_up_to

from siammaskpp_core.io.outputs import Output, OutputError


def fail_in_the_middle(final: Path) -> None:
    with contextlib.suppress(KeyError), Output(final) as work:
        work.write_text("half")
        raise KeyError


def test_output_appears_only_when_complete(tmp_path):
    final = tmp_path / "tracks.csv"
    fail_in_the_middle(final)
    assert list(tmp_path.iterdir()) == []
    with Output(final) as work:
        work.write_text("whole")
        assert not final.exists()
    assert final.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [final]


def test_output_folder_appears_only_when_complete(tmp_path):
    final = tmp_path / "masks"
    with Output(final, is_folder=True) as work:
        (work / "0.png").touch()
        assert not final.exists()
    assert [path.name for path in final.iterdir()] == ["0.png"]
    with pytest.raises(OutputError, match="not an empty folder"):
        Output(final, is_folder=True)


def test_a_failed_output_keeps_the_file_of_before(tmp_path):
    final = tmp_path / "tracks.csv"
    final.write_text("before")
    fail_in_the_middle(final)
    assert final.read_text() == "before"


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="does not exist; create it first"):
        Output(tmp_path / "missing/tracks.csv")
    with pytest.raises(OutputError, match="is a folder"):
        Output(tmp_path)


def test_a_full_disk_names_the_file_and_a_remedy(tmp_path):
    final = tmp_path / "tracks.csv"

    def write() -> None:
        with Output(final) as work, work.open("w") as file:
            file.write("x" * 5000)

    with pytest.raises(OutputError, match=r"tracks\.csv: .* \(File too large\); make"), files_up_to(1000):
        write()
    assert list(tmp_path.iterdir()) == []
