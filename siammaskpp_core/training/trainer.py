"""The training loop: resumable, and the same for one CPU and for many GPUs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from siammaskpp_core.data.sources import open_sources
from siammaskpp_core.errors import listed
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.outcome import Interrupt, ignore_interrupts
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.training.checkpoint import read_checkpoint, write_checkpoint
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.distributed import (
    ShardSampler,
    reduce_means,
    start_fabric,
    synchronise_batch_norms,
)
from siammaskpp_core.training.frozen import FrozenBackbone
from siammaskpp_core.training.objective import (
    Batch,
    PairNetwork,
    batch_losses,
    logged_values,
    mask_positions,
    random_draws,
    total_loss,
)
from siammaskpp_core.training.pairs import PairDataset
from siammaskpp_core.training.run_log import FLUSH_STEPS, RunLog, draw_pairs
from siammaskpp_core.training.stages import (
    initialise_weights,
    lr_factor,
    make_optimizer,
    set_trainable,
    unfreezing_step,
)

PROGRESS_VALUES = ("loss", "iou")
"""Logged values that the progress bar shows."""


class Trainer:
    """Trains a network on pairs, starting anew or from the checkpoint in `output`.

    All random draws depend only on the seed and on the number of the step or pair. A run that is stopped and
    started again with the same configuration therefore continues as if it had not been stopped, and several
    processes see the same pairs as a single one.
    """

    def __init__(
        self,
        network: NetworkConfig,
        config: TrainingConfig,
        data: Path,
        output: Path,
        *,
        tracking: TrackingConfig | None = None,
        init: Path | None = None,
        workers: int = 1,
        cache_bytes: int = 0,
    ) -> None:
        state = read_checkpoint(output, network, config)
        self.fabric = fabric = start_fabric(config)
        torch.manual_seed(config.seed)
        self.config, self.output, self.workers = config, output, workers
        self.tracking = tracking or TrackingConfig()
        self.sources = open_sources(config.sources, config.source_frame_ranges, data, cache_bytes)
        self.left_out = [problem for source in self.sources for problem in source.left_out]
        """A message for each file of the sources that cannot be used."""
        if self.left_out:
            fabric.print(f"left out: {len(self.left_out)}\n{listed(self.left_out)}")
        self.model = SiamMaskPP(network)
        if state is None:
            with fabric.rank_zero_first():  # so that pretrained weights are downloaded only once
                new = initialise_weights(self.model, config, init)
            if new:
                fabric.print(f"{init} has no weights for {', '.join(new)}: initialised at random")
        synchronise_batch_norms(self.model, fabric, config)
        fabric.to_device(self.model)
        self.ema = AveragedModel(self.model, multi_avg_fn=ema_update(config.ema_decay), use_buffers=True)
        self.optimizer = cast(Optimizer, fabric.setup_optimizers(make_optimizer(self.model, config)))
        self.step = 0
        self.seconds = 0.0
        self.is_interrupted = False
        if state is not None:
            self._restore(state)
            fabric.print(f"resuming the run in {output} at step {self.step} of {config.steps}")
        output.mkdir(parents=True, exist_ok=True)

    def run(self) -> SiamMaskPP:
        """Train to the configured number of steps and return the network with the EMA weights.

        Ctrl-C ends the training after the present step, with a checkpoint; `is_interrupted` is True then.
        """
        log = RunLog(self.output, self.step, self.config.batch_size) if self.fabric.is_global_zero else None
        with Interrupt() as interrupt:
            self._run(log, interrupt)
        if log is not None:
            log.close()
        self.fabric.barrier()
        averaged = self.ema.module
        assert isinstance(averaged, SiamMaskPP)
        return averaged.eval()

    def _run(self, log: RunLog | None, interrupt: Interrupt) -> None:
        config = self.config
        started = time.monotonic() - self.seconds
        network = None
        progress = self._batches(show_progress=log is not None)
        for tensors in progress:
            batch = Batch(*tensors)
            if network is None or self.step == unfreezing_step(config):
                network = self._set_up()
            learning_rate = config.learning_rate * lr_factor(self.step, config)
            values, masks = self._training_step(network, batch, learning_rate)
            self.step += 1
            self.seconds = time.monotonic() - started
            self.is_interrupted = self.step < config.steps and self._is_interrupted(interrupt)
            if log is not None:
                log.add(self.step, self.seconds, learning_rate, values)
                progress.set_postfix({name: log.latest.get(name) for name in PROGRESS_VALUES}, refresh=False)
                if self.step % config.save_every == 0 or self.step == config.steps or self.is_interrupted:
                    log.flush()
                    log.add_image(self.step, draw_pairs(batch, mask_positions(batch), masks))
                    write_checkpoint(self.output, self.model.config, config, self.tracking, self._state())
            if self.is_interrupted:
                break

    def _is_interrupted(self, interrupt: Interrupt) -> bool:
        """Return whether Ctrl-C was pressed, with the same answer in all processes."""
        if self.fabric.world_size == 1:
            return interrupt.is_requested
        if self.step % FLUSH_STEPS:  # a GPU does not wait for the answer after every step
            return False
        requested = torch.tensor(float(interrupt.is_requested), device=self.fabric.device)
        return bool(self.fabric.all_reduce(requested, reduce_op="sum"))

    def _batches(self, show_progress: bool) -> tqdm[Any]:
        """This process's part of every remaining batch, wrapped in a progress bar."""
        config, fabric = self.config, self.fabric
        loader: DataLoader[Any] = DataLoader(
            PairDataset(self.sources, config, self.model.config),  # type: ignore[arg-type]
            config.batch_size // fabric.world_size,
            sampler=ShardSampler(config, self.step, fabric.global_rank, fabric.world_size),
            num_workers=self.workers,
            prefetch_factor=3 if self.workers else None,
            pin_memory=fabric.device.type == "cuda",
            worker_init_fn=ignore_interrupts,
        )
        batches = fabric.setup_dataloaders(loader, use_distributed_sampler=False)
        return tqdm(
            batches,
            initial=self.step,
            total=config.steps,
            unit="step",
            dynamic_ncols=True,
            disable=not show_progress,
        )

    def _set_up(self) -> torch.nn.Module:
        """Freeze and unfreeze the parts of the model for this step, and wrap it for all processes."""
        config, fabric = self.config, self.fabric
        train_backbone = self.step >= unfreezing_step(config)
        set_trainable(self.model, config, train_backbone)
        frozen = None
        if not train_backbone and fabric.device.type == "cpu":
            pairs = config.batch_size // fabric.world_size
            frozen = FrozenBackbone(self.model.backbone, pairs, bfloat16=config.precision == "bf16-mixed")
        network: torch.nn.Module = fabric.setup_module(
            PairNetwork(self.model, frozen, with_masks=config.stage != "boxes")
        )
        return network

    def _training_step(
        self, network: torch.nn.Module, batch: Batch, learning_rate: float
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Do one optimiser step; returns the values to log and the mask logits of this process."""
        config, fabric = self.config, self.fabric
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["lr_factor"]
        prediction = network(batch.template, batch.search, mask_positions(batch))
        draws = random_draws(batch, config, self.step, fabric.global_rank)
        means, own_means = reduce_means(batch_losses(prediction, batch, draws, config), fabric)
        self.optimizer.zero_grad()
        fabric.backward(total_loss(own_means, config))
        norm = fabric.clip_gradients(
            network, self.optimizer, max_norm=config.gradient_clip_norm, error_if_nonfinite=False
        )
        self.optimizer.step()
        self.ema.update_parameters(self.model)
        assert norm is not None
        return {**logged_values(means, config), "norm": norm}, prediction.masks

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.step, self.seconds = state["step"], state["seconds"]


def ema_update(decay: float) -> Any:
    """The update of an exponential moving average (EMA), for `AveragedModel`.

    The decay rises to `decay` over the first steps: otherwise the average of a short run would mostly consist
    of the initial weights.
    """

    def update(averaged: Any, current: Any, count: Tensor) -> None:
        warmup_decay = (1 + int(count)) / (10 + int(count))
        get_ema_multi_avg_fn(min(decay, warmup_decay))(averaged, current, count)

    return update
