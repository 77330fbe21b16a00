"""The training loop: frozen backbone, heads in mixed precision, averaged weights, resumable."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from siammaskpp_core.config import ConfigError, to_mapping
from siammaskpp_core.network.config import SEARCH_SIZE, TEMPLATE_SIZE, NetworkConfig
from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.frozen import FrozenBackbone
from siammaskpp_core.training.losses import box_loss, classification_loss, mask_loss
from siammaskpp_core.training.pairs import Pair, PairDataset
from siammaskpp_core.training.sources import open_sources

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """Share of the peak rate at `step`: linear warm-up, then a cosine to `final_rate`."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * min(progress, 1)))


class Trainer:
    """Trains the heads of a network on pairs; the backbone keeps its ImageNet weights.

    State is saved in `output` and taken up again from there: a run that is stopped and started with the
    same configuration sees the same pairs in the same order.
    """

    def __init__(
        self, network: NetworkConfig, config: TrainingConfig, data: Path, output: Path, workers: int = 1
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.output, self.workers = config, output, workers
        self.sources = open_sources(config, data)
        self.model = SiamMaskPP(network)
        self.model.backbone.load_imagenet()
        self.model.backbone.requires_grad_(False)
        self.average = AveragedModel(
            self.model, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay), use_buffers=True
        )
        self.optimizer = torch.optim.AdamW(_parameter_groups(self.model, config), lr=config.learning_rate)
        self.step = 0
        self.seconds = 0.0
        output.mkdir(parents=True, exist_ok=True)
        if (output / CHECKPOINT).exists():
            self._load(output / CHECKPOINT)

    def run(self, save_every: int = 200) -> SiamMaskPP:
        """Train to the configured number of steps and return the network of averaged weights."""
        config = self.config
        template_backbone = FrozenBackbone(self.model.backbone, config.batch_size, TEMPLATE_SIZE)
        search_backbone = FrozenBackbone(self.model.backbone, config.batch_size, SEARCH_SIZE)
        dataset = PairDataset(self.sources, config, self.model.config, self.step * config.batch_size)
        loader: DataLoader[Any] = DataLoader(
            dataset,  # type: ignore[arg-type]
            config.batch_size,
            num_workers=self.workers,
            prefetch_factor=3 if self.workers else None,
        )
        self.model.train()
        self.model.backbone.eval()
        started = time.monotonic() - self.seconds
        progress = tqdm(loader, initial=self.step, total=config.steps, unit="step", dynamic_ncols=True)
        for batch in progress:
            pair: Any = Pair(*batch)  # of tensors
            losses = self._learn(
                pair, template_backbone(pair.template.numpy()), search_backbone(pair.search.numpy())
            )
            self.step += 1
            self.seconds = time.monotonic() - started
            self._record(losses, progress)
            if self.step % save_every == 0 or self.step == config.steps:
                self._save()
        network = self.average.module
        assert isinstance(network, SiamMaskPP)
        return network.eval()

    def _learn(self, pair: Any, template: Any, search: Any) -> dict[str, Tensor]:
        """One optimiser step; returns the losses and the overlap of predicted and true masks."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(self.step, config)
        used = pair.cells[..., 0] >= 0
        batch = used.nonzero()[:, 0]
        rows, columns = pair.cells[used].unbind(1)
        masks = pair.masks[used]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            response = self.model.respond(search, self.model.template_kernels(template))
            logits = self.model.refine_at(response, search, batch, rows, columns)
        cls = classification_loss(response.cls, pair.labels)
        loc = box_loss(response.loc, pair.offsets, pair.labels, config.smooth_l1_omega)
        mask = mask_loss(logits, masks)
        loss = config.cls_weight * cls + config.loc_weight * loc + config.mask_weight * mask
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.gradient_norm)
        if not torch.isfinite(norm):
            raise FloatingPointError(f"step {self.step}: the gradient is not finite (loss {loss.item()})")
        self.optimizer.step()
        self.average.update_parameters(self.model)
        return {
            "loss": loss,
            "cls": cls,
            "loc": loc,
            "mask": mask,
            "iou": _mask_overlap(logits, masks),
            "norm": norm,
        }

    def _record(self, losses: dict[str, Tensor], progress: Any) -> None:
        numbers = {name: round(float(value.detach()), 5) for name, value in losses.items()}
        progress.set_postfix(numbers, refresh=False)
        rate = self.optimizer.param_groups[0]["lr"]
        line = {"step": self.step, "seconds": round(self.seconds, 1), "rate": rate, **numbers}
        with (self.output / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def _save(self) -> None:
        """Write the checkpoint beside the old one, then put it in its place: a crash loses neither."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "network": to_mapping(self.model.config),
            "training": to_mapping(self.config),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        partial = self.output / f"{CHECKPOINT}.part"
        torch.save(state, partial)
        os.replace(partial, self.output / CHECKPOINT)

    def _load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True, map_location="cpu")
        if state["network"] != to_mapping(self.model.config):
            raise ConfigError(f"{path} is of another network; give another --output or remove it")
        # More or fewer steps change the schedule alone; anything else would mix two experiments.
        saved = {**state["training"], "steps": self.config.steps}
        changed = [name for name, value in to_mapping(self.config).items() if saved.get(name) != value]
        if changed:
            raise ConfigError(f"{path} was trained with other {', '.join(changed)}; give another --output")
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        # Steps after the checkpoint are done again: their lines go.
        log = self.output / LOG
        log.write_text("".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[: self.step]))


def _parameter_groups(model: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """Weights decay; biases, batch norms and level weights do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _mask_overlap(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean intersection over union of predicted and true masks; NaN when there are none."""
    predicted, true = logits[:, 0] > 0, masks > 0
    union = (predicted | true).flatten(1).sum(1)
    return ((predicted & true).flatten(1).sum(1) / union.clamp(min=1)).mean()
