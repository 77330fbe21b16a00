"""The subcommand `evaluate`: measure accuracy and speed on annotated sequences."""

from __future__ import annotations

import argparse
from pathlib import Path

from siammaskpp_core.arguments import names, options_from, positive
from siammaskpp_core.cli.arguments import Commands, add_model, add_rotated_box
from siammaskpp_core.config import ConfigError
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.outcome import Outcome

_CLIPS, _SEED = 60, 1


def add_arguments(commands: Commands) -> None:
    """Add the subcommand and its arguments."""
    evaluate = commands.add_parser(
        "evaluate",
        help="measure accuracy and speed on annotated sequences, beside other trackers",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="ope: one pass over each sequence from its first box, without any reset. Prints\n"
        "success AUC, precision at 20 px, J and F of masks, frames per second.\n"
        "vot: the official VOT toolkit (needs the extra [vot]) restarts trackers that fail. Prints\n"
        "accuracy, robustness and expected average overlap beside the published values.\n"
        "target-absent: the target of every sequence is absent for a while. Prints whether the\n"
        "confidence tells so, and how often the target is re-detected.\n"
        "identity: objects of one class pass each other, in clips made by program or in videos. Prints\n"
        "how often another object is taken for the target.\n"
        "docs/evaluation.md defines them all.",
        epilog="layouts, which are recognised in DIR or below:\n"
        "  OTB    NAME/img/*.jpg    NAME/groundtruth_rect.txt\n"
        "  VOT    NAME/color/*.jpg  NAME/groundtruth.txt\n"
        "  LaSOT  NAME/img/*.jpg    NAME/groundtruth.txt\n"
        "  DAVIS  JPEGImages/480p/NAME/*.jpg  Annotations/480p/NAME/*.png\n"
        "identity also takes pictures with several objects of a class, from which it makes clips:\n"
        "  COCO   images/*.jpg         instances.json",
    )
    evaluate.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="data set, a folder of several, or one sequence"
    )
    evaluate.add_argument(
        "--baselines",
        type=names,
        default=[],
        metavar="A,B",
        help="also evaluate these trackers: csrt, kcf, nanotrack; in ope also short-term, the plain SiamMask "
        "step of the same model, without track states",
    )
    evaluate.add_argument(
        "--nanotrack", type=Path, metavar="DIR", help="folder of NanoTrack V2's two ONNX files"
    )
    evaluate.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="new folder for report.md, report.json, plots and failure examples (needs the extra [eval])",
    )
    evaluate.add_argument(
        "--protocol",
        choices=("ope", "vot", "target-absent", "identity"),
        default="ope",
        help="protocol of the evaluation (default: ope)",
    )
    _add_stress_arguments(evaluate)
    _add_vot_arguments(evaluate)
    _add_identity_arguments(evaluate)
    add_model(evaluate)


def _add_stress_arguments(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument(
        "--stress",
        choices=("small", "skip", "dark"),
        help="ope: make the sequences harder: pictures at 0.4 of their size, only every third frame, or "
        "pictures at 0.35 of their brightness and blurred",
    )
    evaluate.add_argument(
        "--noise",
        type=positive,
        metavar="SEED",
        help="ope: add noise of one grey level, which differs in every frame and by SEED; results of several "
        "seeds show how far a value is chance",
    )


def _add_vot_arguments(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument(
        "--realtime",
        action="store_true",
        help="vot: repeat the experiments in real time, where a busy tracker misses frames",
    )
    evaluate.add_argument(
        "--vot-year",
        type=int,
        choices=(2016, 2018, 2019),
        help="vot: DIR is the data set of this year; take its rules unchanged",
    )
    add_rotated_box(evaluate, "vot: ")


def _add_identity_arguments(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument(
        "--clips",
        type=positive,
        metavar="N",
        help=f"identity: number of clips from each folder with instances.json (default: {_CLIPS})",
    )
    evaluate.add_argument(
        "--seed", type=positive, metavar="N", help=f"identity: seed of the clips (default: {_SEED})"
    )


def run(options: argparse.Namespace) -> Outcome:
    """Evaluate by the chosen protocol and return the results."""
    if options.protocol != "vot" and (options.realtime or options.vot_year or options.rotated_box):
        raise ConfigError("--realtime, --vot-year and --rotated-box belong to --protocol vot")
    if options.protocol in ("target-absent", "identity") and (options.baselines or options.output):
        raise ConfigError("--baselines and --output belong to the other protocols")
    if options.protocol != "ope" and (options.stress or options.noise):
        raise ConfigError("--stress and --noise belong to --protocol ope")
    if options.protocol != "identity" and (options.clips or options.seed):
        raise ConfigError("--clips and --seed belong to --protocol identity")
    protocols = {"ope": _one_pass, "vot": _vot, "target-absent": _target_absent, "identity": _identity}
    return protocols[options.protocol](options)


def _one_pass(options: argparse.Namespace) -> Outcome:
    from siammaskpp_core.evaluation.run import run_one_pass

    return run_one_pass(
        options.folders,
        options.model,
        options_from(EngineOptions, options),
        baselines=options.baselines,
        nanotrack_folder=options.nanotrack,
        stress=options.stress,
        noise_seed=options.noise,
        output=options.output,
    )


def _vot(options: argparse.Namespace) -> Outcome:
    from siammaskpp_core.evaluation.vot.run import run_vot

    return run_vot(
        options.folders,
        options.model,
        options_from(EngineOptions, options),
        rotated_box=options.rotated_box,
        baselines=options.baselines,
        nanotrack_folder=options.nanotrack,
        realtime=options.realtime,
        year=options.vot_year,
        output=options.output,
    )


def _target_absent(options: argparse.Namespace) -> Outcome:
    from siammaskpp_core.evaluation.run import run_target_absent

    return run_target_absent(options.folders, options.model, options_from(EngineOptions, options))


def _identity(options: argparse.Namespace) -> Outcome:
    from siammaskpp_core.evaluation.run import run_identity

    return run_identity(
        options.folders,
        options.model,
        options_from(EngineOptions, options),
        options.clips or _CLIPS,
        options.seed or _SEED,
    )
