"""What a run leaves behind for people: a log of every step, TensorBoard, and curves."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from siammaskpp_core.arrays import BoolArray, Image
from siammaskpp_core.errors import MissingPackageError
from siammaskpp_core.io.drawing import contact_sheet
from siammaskpp_core.network.config import MASK_SIZE, RESPONSE_SIZE, STRIDE
from siammaskpp_core.training.objective import Batch

LOG = "log.jsonl"
BOARD = "tensorboard"
FLUSH_STEPS = 10

CURVES = {"cls": "classification loss", "loc": "box loss", "mask": "mask loss", "iou": "mask overlap"}


class RunLog:
    """The log of a run, `log.jsonl`, one line a step, and the same numbers for TensorBoard.

    Numbers are fetched from the device every `FLUSH_STEPS` steps, so that a GPU need not wait.
    """

    def __init__(self, folder: Path, first_step: int, batch_size: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingPackageError(
                "training needs tensorboard: pip install 'siammaskpp[train]'"
            ) from error
        self.path = folder / LOG
        kept = self.path.read_text(encoding="utf-8").splitlines(keepends=True) if first_step else []
        # Steps after the checkpoint are done again: their lines go.
        self.path.write_text("".join(kept[:first_step]), encoding="utf-8")
        self.board = SummaryWriter(str(folder / BOARD), purge_step=first_step + 1)
        self.batch_size = batch_size
        self._waiting: list[tuple[int, float, float, dict[str, Tensor]]] = []
        self._flushed: tuple[int, float] | None = None
        self.latest: dict[str, float | None] = {}
        """The line of the last step that was written."""

    def add(self, step: int, seconds: float, rate: float, values: dict[str, Tensor]) -> None:
        """Note one step, `seconds` after the start; raises as :meth:`flush`, which it calls now and then."""
        self._waiting.append((step, seconds, rate, values))
        if step % FLUSH_STEPS == 0:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting. Raises FloatingPointError at the first loss that is not finite."""
        waiting, self._waiting = self._waiting, []
        lines = [_line(*entry) for entry in waiting]
        if not lines:
            return
        with self.path.open("a", encoding="utf-8") as log:
            log.writelines(json.dumps(line) + "\n" for line in lines)
        step, seconds, *_ = waiting[-1]
        self.latest = lines[-1]
        for name, value in self.latest.items():
            if name not in ("step", "seconds") and value is not None:
                self.board.add_scalar(name, value, step)
        if self._flushed is not None:
            steps, duration = step - self._flushed[0], seconds - self._flushed[1]
            self.board.add_scalar("pairs_per_second", steps * self.batch_size / duration, step)
        self._flushed = step, seconds

    def picture(self, step: int, image: Image) -> None:
        """Show a BGR picture in TensorBoard."""
        self.board.add_image("pairs", image[..., ::-1].copy(), step, dataformats="HWC")

    def close(self) -> None:
        """Write all that is waiting."""
        self.flush()
        self.board.close()


def _line(step: int, seconds: float, rate: float, values: dict[str, Tensor]) -> dict[str, float | None]:
    numbers = dict(zip(values, torch.stack([v.float().cpu() for v in values.values()]).tolist(), strict=True))
    if not math.isfinite(numbers["loss"]):
        raise FloatingPointError(f"step {step}: the loss is {numbers['loss']}")
    finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    return {"step": step, "seconds": round(seconds, 1), "rate": rate, **finite}


def draw_curves(log: Path, picture: Path) -> None:
    """Draw the losses of a training log, and their averages over at most 50 steps, to a PNG."""
    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(10, 6), layout="constrained")
    curves = {key: title for key, title in CURVES.items() if key in lines[0]}
    for axes, (key, title) in zip(figure.subplots(2, 2).flat, curves.items(), strict=False):
        points = [(line["step"], line[key]) for line in lines if line[key] is not None]
        steps, values = np.array(points, dtype=float).reshape(-1, 2).T
        axes.set(title=title, xlabel="step")
        if not points:
            continue
        window = min(max(len(values) // 10, 1), 50)
        smooth = np.convolve(values, np.full(window, 1 / window), mode="valid")
        axes.plot(steps, values, linewidth=0.3, alpha=0.4)
        axes.plot(steps[window - 1 :], smooth)
        axes.set(ylim=(0, float(np.percentile(values, 99)) * 1.05))
        axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=100)


TRUE_COLOUR, PREDICTED_COLOUR = (255, 255, 255), (0, 220, 0)
PAIRS = 4


def draw_pairs(batch: Batch, positions: Tensor, logits: Tensor | None) -> Image:
    """The templates of a few pairs beside their search crops, BGR.

    `logits` [N, 1, 127, 127] at `positions` [N, 3] (pair, row, column) are outlined in green, the true
    masks in white; a pair without a mask is shown as it is.
    """
    first_of_pair = {int(pair): index for index, pair in reversed(list(enumerate(positions[:, 0].tolist())))}
    # Pairs with a mask say more than others.
    order = sorted(range(len(batch.search)), key=lambda pair: pair not in first_of_pair)
    tiles: list[Image] = []
    masks = batch.masks[batch.cells[..., 0] >= 0]
    for pair in order[:PAIRS]:
        search: Image = batch.search[pair].cpu().numpy().copy()
        index = first_of_pair.get(pair)
        if index is not None and logits is not None:
            _, row, column = positions[index].tolist()
            _outline(search, (masks[index] > 0).cpu().numpy(), row, column, TRUE_COLOUR)
            _outline(search, (logits[index, 0] > 0).cpu().numpy(), row, column, PREDICTED_COLOUR)
        tiles += [batch.template[pair].cpu().numpy(), search]
    return contact_sheet(tiles, columns=4)


def _outline(search: Image, mask: BoolArray, row: int, column: int, colour: tuple[int, ...]) -> None:
    """Draw the outline of the mask of a response cell into its search crop."""
    middle, half = search.shape[0] // 2, MASK_SIZE // 2
    corner = (
        middle + (column - RESPONSE_SIZE // 2) * STRIDE - half,
        middle + (row - RESPONSE_SIZE // 2) * STRIDE - half,
    )
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=corner
    )
    cv2.drawContours(search, contours, -1, colour, 1)
