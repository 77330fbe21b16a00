"""The `siammaskpp` command. What a subcommand needs is imported when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

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
    train,
)
from siammaskpp_core.errors import UserError

_COMMANDS = {
    "track": track,
    "track-bag": track_bag,
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, 2 for an error that the user can mend, 130 when interrupted.

    Every other error is a mistake in this program and is raised, so that Python shows its traceback and
    exits with 1.
    """
    options = _parser().parse_args(arguments)
    try:
        _COMMANDS[options.command].run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (UserError, OSError) as error:
        if options.traceback or not _is_the_users(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _is_the_users(error: UserError | OSError) -> bool:
    """True for an error that the user can mend.

    An OSError is one when it comes from the operating system, as for a missing file or a full disk; one
    without a number was raised by a library for reasons of its own.
    """
    return isinstance(error, UserError) or error.errno is not None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="siammaskpp",
        description="SiamMask++: follow an object through a video, with its mask, from one box.",
    )
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS.values():
        command.add_arguments(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
