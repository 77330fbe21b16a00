"""Arguments that several subcommands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from siammaskpp_core.arguments import add_options, labelled_box, labelled_point, labels, moment, names
from siammaskpp_core.config import ConfigError
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.offline.writers.formats import FORMATS, OutputPlan

if TYPE_CHECKING:
    from siammaskpp_core.io.frame import Moment
    from siammaskpp_core.offline.journal import Journal
    from siammaskpp_core.offline.session import Selection

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""The collection to which a subcommand adds its parser."""


_MODEL_HELP = "model folder (default: the model of the package)"


def add_model(command: argparse.ArgumentParser) -> None:
    """Add `--model` and the options of the engine that runs it."""
    command.add_argument("--model", type=Path, metavar="DIR", help=_MODEL_HELP)
    add_options(command, EngineOptions)


def add_model_folder(command: argparse.ArgumentParser) -> None:
    """Add the model folder that a command turns into something else, as an argument without a flag."""
    command.add_argument("model", type=Path, nargs="?", metavar="MODEL", help=_MODEL_HELP)


def add_rotated_box(command: argparse.ArgumentParser, condition: str = "") -> None:
    """Add `--rotated-box`; its help begins with `condition`."""
    command.add_argument(
        "--rotated-box",
        choices=("min_area", "ellipse"),
        help=f"{condition}kind of rotated box around a mask: the rectangle of least area, or the one of "
        "SiamMask_E that follows an ellipse (default: the kind that the model names)",
    )


def add_selections(command: argparse.ArgumentParser) -> None:
    """Add `--box` and `--point`, which may be repeated, in their order as `selections`."""
    group = command.add_argument_group("targets, on the first frame")
    group.add_argument(
        "--box",
        dest="selections",
        action="append",
        type=labelled_box,
        metavar="[LABEL=]X,Y,W,H",
        help="box of an object: left, top, width and height in pixels; repeat it for several objects",
    )
    group.add_argument(
        "--point",
        dest="selections",
        action="append",
        type=labelled_point,
        metavar="[LABEL=]X,Y",
        help="a point on an object, whose box is found by trying",
    )


def selections_from(options: argparse.Namespace) -> list[Selection]:
    """Return the selections of :func:`add_selections`."""
    from siammaskpp_core.offline.session import Selection

    selections = []
    for label, numbers in options.selections or ():
        if len(numbers) == 4:
            selections.append(Selection(box_xywh=tuple(numbers), label=label))
        else:
            selections.append(Selection(point_xy=tuple(numbers), label=label))
    return selections


def add_range(command: argparse.ArgumentParser) -> None:
    """Add `--start` and `--end`."""
    for name, default in (("start", "the first frame"), ("end", "the last frame")):
        command.add_argument(
            f"--{name}",
            type=moment,
            metavar="FRAME|TIME",
            help=f"{'first' if name == 'start' else 'last'} frame that is tracked: its number from 0, or a "
            f"time such as 12.5s or 1:30 (default: {default})",
        )


def moment_from(value: tuple[int | None, int | None] | None) -> Moment | None:
    """Return the moment that :func:`siammaskpp_core.arguments.moment` read; None stays None."""
    from siammaskpp_core.io.frame import Moment

    return None if value is None else Moment(*value)


FORMATS_HELP = "formats of --format; from coco on, a folder is a data set with its pictures:\n" + "".join(
    f"  {name:<10} {format.help}\n" for name, format in FORMATS.items()
)


def add_outputs(command: argparse.ArgumentParser, first: str, place: str) -> None:
    """Add `--output`, `--format` with the default `first`, and further outputs of the same run."""
    formats = list(dict.fromkeys([first, *FORMATS]))
    group = command.add_argument_group("outputs")
    group.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help=f"file or folder to write (default: a new one beside the {place})",
    )
    group.add_argument(
        "--format",
        choices=formats,
        metavar="FORMAT",
        help=f"what --output is: {', '.join(formats)} (default {first})",
    )
    group.add_argument(
        "--classes",
        type=labels,
        default=(),
        metavar="LABEL,...",
        help="labels that get the first class numbers of a data set, so that those of several recordings "
        "agree (default: as they appear)",
    )
    for flag, metavar, text in (
        ("--overlay", "FILE", "video with the results drawn in, beside another --format"),
        ("--masks", "DIR", "folder of masks, beside --output"),
        ("--csv", "FILE", "table of states and boxes, beside --output"),
    ):
        group.add_argument(flag, type=Path, metavar=metavar, help=text)


def outputs_from(
    options: argparse.Namespace, first: str, default_path: Callable[[str], Path]
) -> list[OutputPlan]:
    """Return the outputs of :func:`add_outputs`; without any argument that of the format `first`.

    `default_path` returns the path of a format for which none was given.
    """

    named = (("video", options.overlay), ("masks", options.masks), ("csv", options.csv))
    plans = [OutputPlan(name, path) for name, path in named if path is not None]
    if options.output is None and options.format is None and plans:
        return plans
    format = options.format or first
    return [OutputPlan(format, options.output or default_path(format)), *plans]


@contextmanager
def journal_of(options: argparse.Namespace, source: Path, default: Path) -> Iterator[Journal | None]:
    """Open the journal of a run on `source`, by which the same command continues after an interruption.

    It lies beside the first output, or beside `default`, the output without any argument. It is None when
    there is no such folder.
    """
    from siammaskpp_core.offline.journal import Journal, run_key

    given = (options.output, options.overlay, options.masks, options.csv)
    folder = next((path for path in given if path is not None), default).parent
    if not folder.is_dir():
        yield None
        return
    others = ("source", "bag", "command", "traceback", "threads", "cpu_affinity", "window")
    # The others change no result, or are in the key as `source`.
    values = {name: value for name, value in vars(options).items() if name not in others}
    key = run_key(source, **values)
    with Journal(folder / f".{source.name}.{key[:12]}.resume", key) as journal:
        yield journal


def engines(text: str) -> list[EngineOptions]:
    """Return the engines in `NAME,NAME:PRECISION,...`, each once."""
    pairs = (word.partition(":") for word in names(text))
    try:
        return [EngineOptions(name, precision or "fp32") for name, _, precision in pairs]
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
