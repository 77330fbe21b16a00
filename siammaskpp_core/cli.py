"""The `siammaskpp` command. What a subcommand needs is imported when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

_Raw = argparse.RawDescriptionHelpFormatter
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, 2 for anything the user can mend, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    try:
        import_module(f"siammaskpp_core.commands.{options.command.replace('-', '_')}").run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        if options.traceback or not _is_expected(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _is_expected(error: Exception) -> bool:
    """False for runtime errors that are not an engine's word to the user."""
    if not isinstance(error, RuntimeError):
        return True
    from siammaskpp_core.engines.protocol import EngineError

    return isinstance(error, EngineError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="siammaskpp",
        description="SiamMask++: follow an object through a video, with its mask, from one box.",
    )
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        _add_track,
        _add_evaluate,
        _add_bench,
        _add_prepare_data,
        _add_train,
        _add_export,
        _add_ablate,
        _add_import,
    ):
        add(commands)
    return parser


def _add_track(commands: Commands) -> None:
    track = commands.add_parser(
        "track",
        help="follow one object through a video, a folder of images or a camera",
        formatter_class=_Raw,
        description="Follow the object in a box of the first frame to the end of the video. A camera is\n"
        "followed until Ctrl-C. Outputs appear only when they are complete.",
        epilog="columns of the CSV file, boxes in pixels with (0, 0) the image's upper left corner:\n"
        "  frame                   0 is the first, whose box was given\n"
        "  score                   0 to 1, the network's probability\n"
        "  x, y, w, h              upright box around the mask: left, top, width, height\n"
        "  cx, cy, rw, rh, angle   rotated box: centre, sides, radians clockwise\n\n"
        "example:\n  siammaskpp track cup.mp4 --box 124,93,150,180 --output overlay.mp4 --csv tracks.csv",
    )
    track.add_argument(
        "source", metavar="VIDEO", help="video file, folder of images, or camera index (0, 1..)"
    )
    track.add_argument(
        "--box",
        required=True,
        type=_box,
        metavar="X,Y,W,H",
        help="object in the first frame: left, top, size",
    )
    track.add_argument(
        "--output", type=Path, metavar="FILE", help="video with the results drawn (.mp4, .avi, .mkv)"
    )
    track.add_argument("--masks", type=Path, metavar="DIR", help="new folder for masks: FRAME.png, 0 or 255")
    track.add_argument(
        "--csv", type=Path, metavar="FILE", help="score and boxes of each frame (columns below)"
    )
    _add_rotated_box(track)
    _add_model(track)


def _add_evaluate(commands: Commands) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="measure accuracy and speed on sequences with a truth, next to other trackers",
        formatter_class=_Raw,
        description="ope: one pass over each sequence from its first box, without help on the way. Prints\n"
        "success AUC, precision at 20 px, J and F of masks, frames per second.\n"
        "vot: the official VOT toolkit (needs the extra [vot]) starts trackers anew when they fail. Prints\n"
        "accuracy, robustness and expected average overlap beside the published ones.\n"
        "docs/evaluation.md defines them all.",
        epilog="layouts, found by themselves in DIR or below:\n"
        "  OTB    NAME/img/*.jpg    NAME/groundtruth_rect.txt\n"
        "  VOT    NAME/color/*.jpg  NAME/groundtruth.txt\n"
        "  DAVIS  JPEGImages/480p/NAME/*.jpg  Annotations/480p/NAME/*.png",
    )
    evaluate.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="data set, a folder of several, or one sequence"
    )
    evaluate.add_argument(
        "--peers", type=_names, default=[], metavar="A,B", help="also run these: csrt, kcf, nanotrack"
    )
    evaluate.add_argument(
        "--nanotrack", type=Path, metavar="DIR", help="folder of NanoTrack V2's two ONNX files"
    )
    evaluate.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="new folder for report.md, report.json and plots (needs the extra [eval])",
    )
    evaluate.add_argument(
        "--protocol", choices=("ope", "vot"), default="ope", help="how to measure (default: ope)"
    )
    evaluate.add_argument(
        "--realtime",
        action="store_true",
        help="vot: also skip the frames that pass while a tracker is busy",
    )
    evaluate.add_argument(
        "--vot-year",
        type=int,
        choices=(2016, 2018, 2019),
        help="vot: DIR is that year's data set; take its rules as they are",
    )
    _add_rotated_box(evaluate, "vot: ")
    _add_model(evaluate)


def _add_bench(commands: Commands) -> None:
    bench = commands.add_parser(
        "bench",
        help="measure the time of each stage of a step",
        description="Times the stages of a step on a synthetic video, in milliseconds (median and 95th "
        "percentile). Several engines take turns frame by frame, so that they see the same load. The peak "
        "memory is the whole process's: to compare engines by it, run them one at a time.",
    )
    bench.add_argument(
        "--size", type=_size, default=(640, 480), metavar="WxH", help="image size (default 640x480)"
    )
    bench.add_argument(
        "--targets", type=_positive, default=1, metavar="N", help="objects followed at once (default 1)"
    )
    bench.add_argument(
        "--frames", type=_positive, default=100, metavar="N", help="frames timed (default 100)"
    )
    bench.add_argument("--json", action="store_true", help="print JSON instead of a table")
    _add_model(bench, several_engines=True)


def _add_prepare_data(commands: Commands) -> None:
    prepare = commands.add_parser(
        "prepare-data",
        help="read and check a data set once, so that training can use it (needs the extra [train])",
        formatter_class=_Raw,
        description="Read every annotation of a data set, as it is downloaded and unpacked, and write what\n"
        "training needs to one file, siammaskpp.KIND.npz. It appears only when it is complete.",
        epilog="kinds, and what lies in DIR (docs/training-data.md):\n"
        "  coco          train2017/  annotations/instances_train2017.json\n"
        "  youtube_vos   train/JPEGImages/  train/Annotations/  train/meta.json\n"
        "  imagenet_vid  Data/VID/train/  Annotations/VID/train/\n"
        "  imagenet_det  Data/DET/train/  Annotations/DET/train/\n\n"
        "example:\n  siammaskpp prepare-data imagenet_vid ~/data/ILSVRC2015",
    )
    prepare.add_argument("kind", metavar="KIND", help="which data set it is (below)")
    prepare.add_argument("folder", type=Path, metavar="DIR", help="the data set's folder")
    prepare.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for the file, where DIR cannot be written to"
    )
    prepare.add_argument(
        "--workers", type=_positive, metavar="N", help="processes (default: one for each processor)"
    )


def _add_train(commands: Commands) -> None:
    train = commands.add_parser(
        "train",
        help="train a network (needs the extra [train])",
        formatter_class=_Raw,
        description="Train the network that a configuration describes; continues where an interrupted run\n"
        "with the same output folder stopped. docs/training.md tells of GPUs, machines and stages.",
        epilog="several processes, one for each GPU:\n"
        "  torchrun --nproc-per-node 4 -m siammaskpp_core.cli train --config ...",
    )
    train.add_argument(
        "--config", required=True, type=Path, metavar="YAML", help="e.g. config/networks/lite.yaml"
    )
    train.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of the data sets")
    train.add_argument("--output", required=True, type=Path, metavar="DIR", help="for checkpoints and curves")
    train.add_argument("--steps", type=_positive, metavar="N", help="instead of the configuration's number")
    train.add_argument("--init", type=Path, metavar="CHECKPOINT", help="start from this one's weights")
    train.add_argument(
        "--workers",
        type=_positive,
        default=1,
        metavar="N",
        help="processes that make pairs, for each training process (default 1)",
    )


def _add_export(commands: Commands) -> None:
    export = commands.add_parser(
        "export",
        help="turn a training checkpoint into a model folder (needs the extra [train])",
        description="Write the ONNX files and the description that --model takes, and check that the "
        "installed engines compute with them what torch does.",
    )
    export.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="file that `siammaskpp train` wrote"
    )
    export.add_argument("--output", required=True, type=Path, metavar="DIR", help="the model folder to write")


def _add_ablate(commands: Commands) -> None:
    ablate = commands.add_parser(
        "ablate",
        help="train and compare networks that differ in one thing (needs the extras [train,eval])",
        description="Train every row of a configuration alike, measure it on sequences in one pass, and "
        "write the paper's table: ablation.md, .json and .png. An interrupted run goes on where it stopped.",
    )
    ablate.add_argument(
        "--config", required=True, type=Path, metavar="YAML", help="e.g. config/ablations/lite.yaml"
    )
    ablate.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of the training data")
    ablate.add_argument(
        "--sequences", required=True, type=Path, nargs="+", metavar="DIR", help="what `evaluate` takes"
    )
    ablate.add_argument("--output", required=True, type=Path, metavar="DIR", help="a folder for each row")
    ablate.add_argument("--steps", type=_positive, metavar="N", help="of every stage: a small budget")
    ablate.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="only these rows")
    ablate.add_argument(
        "--workers", type=_positive, default=1, metavar="N", help="processes that make pairs (default 1)"
    )


def _add_import(commands: Commands) -> None:
    published = commands.add_parser(
        "import-weights",
        help="turn a published checkpoint into a model folder (needs the extra [train])",
        description="Convert a checkpoint of a published network of the family. Only tensors are read from "
        "the file: it cannot run code. Every name in it must be known and none may be missing.",
    )
    published.add_argument("file", type=Path, metavar="FILE", help="the checkpoint (.pth, .pt, .tar)")
    published.add_argument(
        "--as",
        dest="layout",
        required=True,
        choices=("siammaskpp-authors", "siammask", "pysot-siammask", "pysot-siamrpn", "torchvision-resnet50"),
        help="where the checkpoint comes from",
    )
    published.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="the model folder to write"
    )


def _add_rotated_box(command: argparse.ArgumentParser, where: str = "") -> None:
    command.add_argument(
        "--rotated-box",
        choices=("min_area", "ellipse"),
        help=f"{where}around a mask: its smallest rectangle or SiamMask_E's (default: the model's choice)",
    )


def _add_model(command: argparse.ArgumentParser, several_engines: bool = False) -> None:
    command.add_argument("--model", type=Path, metavar="DIR", help="model folder (default: the one shipped)")
    if several_engines:
        command.add_argument(
            "--engine",
            type=_names,
            default=["onnxruntime"],
            metavar="A,B",
            help="onnxruntime (default), openvino or both",
        )
    else:
        command.add_argument(
            "--engine", default="onnxruntime", metavar="NAME", help="onnxruntime (default) or openvino"
        )
    command.add_argument(
        "--threads",
        type=_positive,
        default=0,
        metavar="N",
        help="threads of the engine (default: its choice)",
    )


def _box(text: str) -> list[float]:
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"four numbers X,Y,W,H are expected, not {text!r}")
    return values


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) >= 64 and int(height) >= 64):
        raise argparse.ArgumentTypeError(f"WIDTHxHEIGHT of at least 64x64 is expected, not {text!r}")
    return int(width), int(height)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 is expected, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
