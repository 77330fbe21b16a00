"""Files and folders that appear under their name only when they are complete."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import TracebackType

from siammaskpp_core.errors import UserError

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Numbers of the errors of a full disk, a used-up quota and a limit on the size of files."""


class OutputError(UserError):
    """A file or folder that cannot be written; the message names the place, the cause and a remedy."""


class Output:
    """A file or folder that appears at `path` only if the ``with`` block ends without an error.

    The block receives `work`, the hidden path beside it to write to in the meantime. An error leaves the
    former content of `path` as it was. Raises :class:`OutputError` when the place cannot be used, and instead
    of the OSError of a full disk, which names no file.
    """

    def __init__(self, path: Path, is_folder: bool = False) -> None:
        self.path = path
        self.work = path.with_name(f".{path.stem}.part{path.suffix}")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")
        if is_folder and path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise OutputError(f"{path}: exists and is not an empty folder; choose another or remove it")
        if not is_folder and path.is_dir():
            raise OutputError(f"{path}: is a folder; give the name of a file")
        self._discard()
        if is_folder:
            self.work.mkdir()

    def __enter__(self) -> Path:
        return self.work

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.work.exists():
            self.work.replace(self.path)
            return
        self._discard()
        # A library may raise an error of its own in the place of the system's, as torch.save does.
        cause = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno in NO_SPACE:
                raise no_space(self.path, cause) from error
            cause = cause.__cause__ or cause.__context__

    def _discard(self) -> None:
        if self.work.is_dir():
            shutil.rmtree(self.work)
        else:
            self.work.unlink(missing_ok=True)


def no_space(path: Path, error: Exception) -> OutputError:
    """Return the error that says that `path` could not be written for lack of space."""
    cause = (isinstance(error, OSError) and error.strerror) or error
    return OutputError(f"{path}: not written ({cause}); make space on the disk, or choose another place")
