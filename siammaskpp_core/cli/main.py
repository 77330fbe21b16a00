"""Entry point of the command `siammaskpp`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from siammaskpp_core import __version__
from siammaskpp_core.arguments import with_negative_values
from siammaskpp_core.cli import (
    ablate,
    bench,
    build_engine,
    evaluate,
    export,
    import_weights,
    prepare_data,
    quantise,
    track,
    track_bag,
    track_batch,
    train,
)
from siammaskpp_core.errors import UserError, listed
from siammaskpp_core.outcome import COMPLETE, FAILED, INTERRUPTED, Outcome

_COMMANDS = {
    "track": track,
    "track-bag": track_bag,
    "track-batch": track_batch,
    "evaluate": evaluate,
    "bench": bench,
    "quantise": quantise,
    "build-engine": build_engine,
    "prepare-data": prepare_data,
    "train": train,
    "export": export,
    "ablate": ablate,
    "import-weights": import_weights,
}

_NO_OPENCV = (
    "OpenCV is not installed: pip install opencv-python, or opencv-python-headless on a machine without a "
    "screen. Install one of them only: two OpenCV packages in one environment overwrite each other"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit code.

    It is 0, 2 for an error that the user can mend, 3 when parts of the input were left out, and 130 for
    Ctrl-C. Every other error is a mistake in this program. It is raised, so that Python shows its traceback
    and exits with 1.
    """
    words = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(with_negative_values(words))
    try:
        outcome = _COMMANDS[options.command].run(options)
        return COMPLETE if outcome is None else _shown(outcome)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except (UserError, OSError, ModuleNotFoundError) as error:
        if options.traceback or not _is_for_the_user(error):
            raise
        print(f"error: {_NO_OPENCV if _is_no_opencv(error) else error}", file=sys.stderr)
        return FAILED


def _shown(outcome: Outcome) -> int:
    """Print an outcome and return its exit code."""
    if outcome.text:
        print(outcome.text)
    if outcome.left_out:
        print(f"left out: {len(outcome.left_out)}\n{listed(outcome.left_out)}", file=sys.stderr)
    if outcome.is_interrupted:
        print("interrupted; what was finished has been kept", file=sys.stderr)
    if outcome.failure is not None:
        print(f"error: {outcome.failure}", file=sys.stderr)
    return outcome.exit_code


def _is_no_opencv(error: Exception) -> bool:
    return isinstance(error, ModuleNotFoundError) and error.name == "cv2"


def _is_for_the_user(error: UserError | OSError | ModuleNotFoundError) -> bool:
    """Return True for an error that the user can mend.

    OpenCV is no dependency of the package and may be missing. Every other module that is missing is a mistake
    like any other exception, unless a MissingPackageError names it. An OSError with a number comes from the
    operating system: a file is missing or may not be read, or the disk is full. One without a number was made
    by a library and is a mistake, too.
    """
    if isinstance(error, OSError):
        return error.errno is not None
    return isinstance(error, UserError) or _is_no_opencv(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="siammaskpp",
        description="SiamMask++: track an object through a video, with its mask, from one box.",
    )
    parser.add_argument("--version", action="version", version=f"siammaskpp {__version__}")
    parser.add_argument(
        "--traceback",
        action="store_true",
        help="show the full traceback of an error that is otherwise told in one line",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS.values():
        command.add_arguments(commands)
    return parser
