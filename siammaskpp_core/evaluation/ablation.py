"""`siammaskpp ablate`: train networks that differ in one respect, and compare them in one table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from siammaskpp_core.config import ConfigError, load_yaml
from siammaskpp_core.data.sequences import VideoSequence, find_sequences
from siammaskpp_core.engines.export.onnx import write_model
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.evaluation.one_pass import ShortTermAdapter, evaluate
from siammaskpp_core.evaluation.report import cell, markdown_table, summary
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.io.package_files import ABLATIONS, configuration
from siammaskpp_core.model.checkpoint import load_checkpoint
from siammaskpp_core.network.config import LEVELS
from siammaskpp_core.outcome import RESUME, Interrupt, Outcome
from siammaskpp_core.training.checkpoint import CHECKPOINT
from siammaskpp_core.training.experiment import Experiment, read_experiment
from siammaskpp_core.training.trainer import Trainer

RESULT = "result.json"
EAO_DATASETS = ("VOT2016", "VOT2018", "VOT2019")
"""Data sets for which a row may have a published EAO."""
MEASURED = {"auc": "AUC", "precision": "precision", "J": "J"}


@dataclass(frozen=True)
class Row:
    """One network of a comparison: the stages of its training, and its EAO in the paper."""

    name: str
    stages: tuple[Experiment, ...]
    published: tuple[float | None, ...] = field(default=(None,) * len(EAO_DATASETS))


def ablate(
    config: Path,
    data: Path,
    sequences: Sequence[Path],
    output: Path,
    *,
    steps: int | None = None,
    names: Sequence[str] = (),
    workers: int = 1,
) -> Outcome:
    """Train and evaluate the rows of a YAML file and return the Markdown table.

    `names` selects rows (default: all). `steps` replaces the number of steps of every stage. Each row has a
    folder in `output`, where an interrupted run continues; `ablation.md`, `ablation.json` and `ablation.png`
    show the rows that are finished. What cannot be used of training data and sequences is left out of all
    rows alike. Raises :class:`ConfigError` for a wrong file or an unknown name.
    """
    rows = read_rows(config)
    unknown = sorted(set(names) - {row.name for row in rows})
    if unknown:
        known = ", ".join(row.name for row in rows)
        raise ConfigError(f"{config}: no row is named {', '.join(unknown)}; there are {known}")
    left_out: list[str] = []
    found = find_sequences(sequences, left_out)
    output.mkdir(parents=True, exist_ok=True)
    results: dict[Row, dict[str, Any]] = {}
    chosen = [row for row in rows if not names or row.name in names]
    is_interrupted = False
    for row in tqdm(chosen, unit="network", desc="ablation"):
        try:
            results[row] = _run_row(row, data, found, output / row.name, steps, workers)
        except KeyboardInterrupt:
            is_interrupted = True
            break
        left_out = list(dict.fromkeys([*left_out, *results[row].get("left_out", [])]))
        _write(results, left_out, output)
    text = table(results) if results else ""
    if is_interrupted:
        text += f"\n{len(results)} of {len(chosen)} rows are finished: {RESUME}"
    return Outcome(text.strip(), tuple(left_out), is_interrupted=is_interrupted)


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a YAML file; raises :class:`ConfigError` for a wrong file.

    `stages` lists the experiments that are trained one after the other. The `network` of a row changes all of
    them, its `training` changes the first.
    """
    path = configuration(path, ABLATIONS)
    content = load_yaml(path)
    rows = content.get("rows")
    if set(content) != {"stages", "rows"} or not isinstance(rows, list):
        raise ConfigError(f"{path}: `stages`, a list of files, and `rows` are expected, not {list(content)}")
    parsed = list(_read_rows(path, content["stages"], rows))
    names = [row.name for row in parsed]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise ConfigError(f"{path}: two rows are named {', '.join(duplicates)}")
    return parsed


def _read_rows(path: Path, stages: list[str], rows: list[Any]) -> Iterator[Row]:
    keys = {"network", "training", *(item.name for item in fields(Row))}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or "name" not in row or set(row) - keys:
            raise ConfigError(f"{path}: row {number}: `name` and some of {', '.join(sorted(keys))} expected")
        name, published = str(row["name"]), tuple(row.get("published", ()))
        if "/" in name or len(published) not in (0, len(EAO_DATASETS)):
            raise ConfigError(
                f"{path}: row {name!r}: no / in a name, and {len(EAO_DATASETS)} published values"
            )
        experiments = []
        for index, stage in enumerate(row.get("stages", stages)):
            changes = {
                "network": row.get("network", {}),
                "training": {} if index else row.get("training", {}),
            }
            experiments.append(read_experiment(path.parent / stage, changes))
        yield Row(name, tuple(experiments), published or Row.published)


def _run_row(
    row: Row, data: Path, sequences: list[VideoSequence], folder: Path, steps: int | None, workers: int
) -> dict[str, Any]:
    """Return the result of a row, measured now or in an earlier run.

    `left_out` in it names what could not be used. Raises KeyboardInterrupt when Ctrl-C ends the work early.
    """
    if (folder / RESULT).exists():
        done: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        return done
    init, total = None, 0
    left_out: list[str] = []
    for number, stage in enumerate(row.stages, start=1):
        training = stage.training if steps is None else replace(stage.training, steps=steps)
        total += training.steps
        stage_folder = folder / f"stage{number}"
        trainer = Trainer(
            stage.network, training, data, stage_folder, tracking=stage.tracking, init=init, workers=workers
        )
        trainer.run()
        if trainer.is_interrupted:
            raise KeyboardInterrupt
        left_out += trainer.left_out
        init = stage_folder / CHECKPOINT
    assert init is not None
    model = folder / "model"
    model.mkdir(exist_ok=True)
    write_model(*load_checkpoint(init), model)
    tracker = ShortTermAdapter(load_tracker(model))
    with Interrupt() as interrupt:

        def on_frame(*_: object) -> None:
            if interrupt.is_requested:
                raise KeyboardInterrupt

        scores = evaluate([tracker], sequences, on_frame, left_out)
        if interrupt.is_requested:  # a row that is measured on some of the sequences is not comparable
            raise KeyboardInterrupt
    result = {**summary(scores[tracker.name]), "steps": total, "left_out": left_out}
    with Output(folder / RESULT) as work:
        work.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def table(results: dict[Row, dict[str, Any]]) -> str:
    """Return the paper's ablation table: design, measured values and published EAO of each row."""
    head = ["name", "backbone", *LEVELS, "pretrained", "correlation", "mask", "shift", "steps"]
    rows = [[*head, *MEASURED.values(), *(f"EAO {year} (paper)" for year in EAO_DATASETS)]]
    for row, result in results.items():
        first, last = row.stages[0], row.stages[-1]
        rows.append(
            [
                row.name,
                first.network.backbone,
                *("x" if level in first.network.levels else "" for level in LEVELS),
                "x" if first.training.pretrained else "",
                first.network.correlation,
                last.network.mask,
                f"{first.training.search_shift:g}",
                str(result["steps"]),
                *(cell(result[key]) for key in MEASURED),
                *(cell(value) for value in row.published),
            ]
        )
    return markdown_table(rows)


def _write(results: dict[Row, dict[str, Any]], left_out: Sequence[str], output: Path) -> None:
    page = "\n".join(
        [table(results), *(["", "Left out:", ""] if left_out else []), *(f"- {text}" for text in left_out)]
    )
    content = {row.name: {**result, "published_eao": row.published} for row, result in results.items()}
    for name, text in (("ablation.json", json.dumps(content, indent=2)), ("ablation.md", page)):
        with Output(output / name) as work:
            work.write_text(text + "\n", encoding="utf-8")
    with Output(output / "ablation.png") as work:
        draw(results, work)


def draw(results: dict[Row, dict[str, Any]], picture: Path) -> None:
    """Draw the measured values of each row as bars and, with several search shifts, AUC against shift."""
    from matplotlib.figure import Figure

    names = [row.name for row in results]
    series = _shift_series(results)
    figure = Figure(figsize=(11 if series else 7, 1.2 + 0.45 * len(names)), layout="constrained")
    axes = figure.subplots(1, 2 if series else 1, squeeze=False)[0]
    height = 0.8 / len(MEASURED)
    for index, (key, title) in enumerate(MEASURED.items()):
        values = [result[key] or 0.0 for result in results.values()]
        places = [place + (index - 1) * height for place in range(len(names))]
        axes[0].barh(places, values, height, label=title)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    axes[0].set(xlim=(0, 1), xlabel="measured in one pass")
    axes[0].legend(loc="lower right")
    for name, points in series:
        axes[1].plot(*zip(*points, strict=True), marker="o", label=name)
        axes[1].set(xlabel="search shift in training [px]", ylabel="AUC")
        axes[1].legend()
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.savefig(picture, dpi=110, format="png")


def _shift_series(results: dict[Row, dict[str, Any]]) -> list[tuple[str, list[tuple[float, float]]]]:
    """Return the backbone with (search shift, AUC) of rows that differ in the search shift alone."""
    series: dict[tuple[Experiment, ...], list[tuple[float, float]]] = {}
    for row, result in results.items():
        first = row.stages[0]
        without_shift = replace(first, training=replace(first.training, search_shift=0.0))
        points = series.setdefault((without_shift, *row.stages[1:]), [])
        points.append((first.training.search_shift, result["auc"]))
    return [(key[0].network.backbone, sorted(points)) for key, points in series.items() if len(points) > 1]
