"""Logs of a run: a line per step, TensorBoard, loss curves, and images of pairs with their masks."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from siammaskpp_core.arrays import BoolArray, Image
from siammaskpp_core.errors import extra
from siammaskpp_core.io.drawing import contact_sheet
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.network.config import MASK_SIZE, RESPONSE_SIZE, STRIDE
from siammaskpp_core.training.objective import Batch

LOG = "log.jsonl"
TENSORBOARD = "tensorboard"
FLUSH_STEPS = 10

CURVES = {"cls": "classification loss", "loc": "box loss", "mask": "mask loss", "iou": "mask overlap"}


class RunLog:
    """Writes `log.jsonl`, one line per step, and the same values for TensorBoard.

    Values are fetched from the device every `FLUSH_STEPS` steps, so that a GPU does not wait for the log.
    """

    def __init__(self, folder: Path, first_step: int, batch_size: int) -> None:
        with extra("train", "for training"):
            from torch.utils.tensorboard import SummaryWriter
        self.path = folder / LOG
        kept = self.path.read_text(encoding="utf-8").splitlines(keepends=True) if first_step else []
        # The steps after the checkpoint are repeated: drop their lines.
        with Output(self.path) as work:
            work.write_text("".join(kept[:first_step]), encoding="utf-8")
        self.board = SummaryWriter(str(folder / TENSORBOARD), purge_step=first_step + 1)
        self.batch_size = batch_size
        self._pending: list[tuple[int, float, float, dict[str, Tensor]]] = []
        self._flushed: tuple[int, float] | None = None
        self.latest: dict[str, float | None] = {}
        """The values of the last step that was written."""

    def add(self, step: int, seconds: float, learning_rate: float, values: dict[str, Tensor]) -> None:
        """Add the values of a step that ended `seconds` after the start; raises what :meth:`flush` raises."""
        self._pending.append((step, seconds, learning_rate, values))
        if step % FLUSH_STEPS == 0:
            self.flush()

    def flush(self) -> None:
        """Write all pending steps; raises FloatingPointError at the first loss that is not finite."""
        pending, self._pending = self._pending, []
        lines = [_line(*entry) for entry in pending]
        if not lines:
            return
        with self.path.open("a", encoding="utf-8") as log:
            log.writelines(json.dumps(line) + "\n" for line in lines)
        step, seconds, *_ = pending[-1]
        self.latest = lines[-1]
        for name, value in self.latest.items():
            if name not in ("step", "seconds") and value is not None:
                self.board.add_scalar(name, value, step)
        if self._flushed is not None:
            steps, duration = step - self._flushed[0], seconds - self._flushed[1]
            self.board.add_scalar("pairs_per_second", steps * self.batch_size / duration, step)
        self._flushed = step, seconds

    def add_image(self, step: int, image: Image) -> None:
        """Add a BGR image [H, W, 3] to TensorBoard."""
        self.board.add_image("pairs", image[..., ::-1].copy(), step, dataformats="HWC")

    def close(self) -> None:
        """Write all pending steps and close TensorBoard's file."""
        self.flush()
        self.board.close()


def _line(
    step: int, seconds: float, learning_rate: float, values: dict[str, Tensor]
) -> dict[str, float | None]:
    numbers = dict(zip(values, torch.stack([v.float().cpu() for v in values.values()]).tolist(), strict=True))
    if not math.isfinite(numbers["loss"]):
        raise FloatingPointError(f"step {step}: the loss is {numbers['loss']}")
    finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    return {"step": step, "seconds": round(seconds, 1), "learning_rate": learning_rate, **finite}


def draw_curves(log: Path, output: Path) -> None:
    """Draw the losses of a training log, with moving averages over up to 50 steps, to a PNG file."""
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
    figure.savefig(output, dpi=100)


TRUE_COLOUR, PREDICTED_COLOUR = (255, 255, 255), (0, 220, 0)
PAIRS = 4


def draw_pairs(batch: Batch, positions: Tensor, logits: Tensor | None) -> Image:
    """A sheet of a few pairs, BGR [H, W, 3]: each template beside its search crop.

    The mask `logits` [N, 1, 127, 127] at `positions` [N, 3] (pair, row, column) are outlined in green and the
    true masks in white; a pair without a mask has no outline.
    """
    first_of_pair = {int(pair): index for index, pair in reversed(list(enumerate(positions[:, 0].tolist())))}
    # Pairs with a mask first: they show more.
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
    """Draw the outline of a response cell's mask into the search crop, in place."""
    centre, half = search.shape[0] // 2, MASK_SIZE // 2
    corner = (
        centre + (column - RESPONSE_SIZE // 2) * STRIDE - half,
        centre + (row - RESPONSE_SIZE // 2) * STRIDE - half,
    )
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=corner
    )
    cv2.drawContours(search, contours, -1, colour, 1)
