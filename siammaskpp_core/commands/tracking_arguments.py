"""Arguments of the commands that track."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from siammaskpp_core.commands.argument_types import box, names, seconds
from siammaskpp_core.commands.engine_arguments import add_model

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_track(commands: Commands) -> None:
    """Arguments of `track`."""
    track = commands.add_parser(
        "track",
        help="follow one object through a video, a folder of images or a camera",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Follow the object in a box of the first frame to the end of the video. When it is lost\n"
        "it is searched for in the whole image. A camera is followed until Ctrl-C. Outputs appear only\n"
        "when they are complete.",
        epilog="columns of the CSV file, boxes in pixels with (0, 0) the image's upper left corner:\n"
        "  frame                   0 is the first, whose box was given\n"
        "  state                   tracking, uncertain or lost (docs/states.md)\n"
        "  score                   0 to 1, the network's probability\n"
        "  x, y, w, h              upright box around the mask: left, top, width, height\n"
        "  cx, cy, rw, rh, angle   rotated box: centre, sides, radians clockwise\n"
        "without boxes, mask and drawing while it is not seen.\n\n"
        "example:\n  siammaskpp track cup.mp4 --box 124,93,150,180 --output overlay.mp4 --csv tracks.csv",
    )
    track.add_argument(
        "source", metavar="VIDEO", help="video file, folder of images, or camera index (0, 1..)"
    )
    track.add_argument(
        "--box",
        required=True,
        type=box,
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
    add_model(track)


def add_track_bag(commands: Commands) -> None:
    """Arguments of `track-bag`."""
    track = commands.add_parser(
        "track-bag",
        help="follow one object through the images of a ROS 2 bag (needs the extra [bag])",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Follow the object in a box through a recording and write what the node would publish\n"
        "to a new bag: /tracker_node/tracked_objects and /tracker_node/mask, with the stamps and frames of\n"
        "the images. MCAP and sqlite3 bags, raw and compressed images; no ROS installation is needed.",
        epilog="example:\n"
        "  siammaskpp track-bag my_bag --topic /camera/image_raw --box 306,122,110,262 --copy",
    )
    track.add_argument("bag", type=Path, metavar="BAG", help="folder of a bag, or its .mcap or .db3 file")
    track.add_argument("--topic", required=True, help="topic of the camera's images")
    track.add_argument(
        "--box", required=True, type=box, metavar="X,Y,W,H", help="the object: left, top, size in pixels"
    )
    track.add_argument(
        "--stamp",
        type=seconds,
        metavar="SECONDS",
        help="stamp of the image on which the box was drawn, all digits (default: the first image)",
    )
    track.add_argument(
        "--output", type=Path, metavar="DIR", help="the bag to write (default: BAG_tracked, beside it)"
    )
    track.add_argument("--copy", action="store_true", help="also copy all topics of BAG")
    _add_rotated_box(track)
    add_model(track)


def add_evaluate(commands: Commands) -> None:
    """Arguments of `evaluate`."""
    evaluate = commands.add_parser(
        "evaluate",
        help="measure accuracy and speed on sequences with a truth, next to other trackers",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="ope: one pass over each sequence from its first box, without help on the way. Prints\n"
        "success AUC, precision at 20 px, J and F of masks, frames per second.\n"
        "vot: the official VOT toolkit (needs the extra [vot]) starts trackers anew when they fail. Prints\n"
        "accuracy, robustness and expected average overlap beside the published ones.\n"
        "absence: targets are cut out of, covered in and panned out of the sequences. Prints whether the\n"
        "score says so, and how often the target is found again.\n"
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
        "--peers", type=names, default=[], metavar="A,B", help="also run these: csrt, kcf, nanotrack"
    )
    evaluate.add_argument(
        "--nanotrack", type=Path, metavar="DIR", help="folder of NanoTrack V2's two ONNX files"
    )
    evaluate.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="new folder for report.md, report.json, plots and the worst moments (needs the extra [eval])",
    )
    evaluate.add_argument(
        "--protocol", choices=("ope", "vot", "absence"), default="ope", help="how to measure (default: ope)"
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
    add_model(evaluate)


def _add_rotated_box(command: argparse.ArgumentParser, where: str = "") -> None:
    command.add_argument(
        "--rotated-box",
        choices=("min_area", "ellipse"),
        help=f"{where}around a mask: its smallest rectangle or SiamMask_E's (default: the model's choice)",
    )
