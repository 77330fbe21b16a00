"""The training loop: the same on one processor and on many GPUs, and resumable."""

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
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.siammaskpp import SiamMaskPP
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
    mask_positions,
    random_draws,
    total_loss,
)
from siammaskpp_core.training.pairs import PairDataset
from siammaskpp_core.training.run_log import RunLog, draw_pairs
from siammaskpp_core.training.stages import (
    lr_factor,
    make_optimizer,
    prepare,
    set_trainable,
    unfreezing_step,
)

SHOWN = ("loss", "iou")
"""What the progress bar shows beside time."""


class Trainer:
    """Trains a network on pairs.

    State is saved in `output` and taken up again from there. All random draws depend on the seed and the
    number of the step or pair alone: a run that is stopped and started with the same configuration goes
    on as if it had not stopped, and any number of processes sees the pairs that one would see.
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
        memory_bytes: int = 0,
    ) -> None:
        state = read_checkpoint(output, network, config)
        self.fabric = fabric = start_fabric(config)
        torch.manual_seed(config.seed)
        self.config, self.output, self.workers = config, output, workers
        self.tracking = tracking or TrackingConfig()
        self.sources = open_sources(config.sources, config.source_frame_ranges, data, memory_bytes)
        self.model = SiamMaskPP(network)
        if state is None:
            with fabric.rank_zero_first():  # what is downloaded is downloaded once
                new = prepare(self.model, config, init)
            if new:
                fabric.print(f"not in {init}, and therefore new: {', '.join(new)}")
        synchronise_batch_norms(self.model, fabric, config)
        fabric.to_device(self.model)
        self.average = AveragedModel(self.model, multi_avg_fn=ema_update(config.ema_decay), use_buffers=True)
        self.optimizer = cast(Optimizer, fabric.setup_optimizers(make_optimizer(self.model, config)))
        self.step = 0
        self.seconds = 0.0
        if state is not None:
            self._restore(state)
            fabric.print(f"going on at step {self.step} of {config.steps} in {output}")
        output.mkdir(parents=True, exist_ok=True)

    def run(self) -> SiamMaskPP:
        """Train to the configured number of steps and return the network of averaged weights."""
        config, first = self.config, self.fabric.is_global_zero
        log = RunLog(self.output, self.step, config.batch_size) if first else None
        started = time.monotonic() - self.seconds
        network = None
        progress = self._batches(show_progress=first)
        for tensors in progress:
            batch = Batch(*tensors)
            if network is None or self.step == unfreezing_step(config):
                network = self._set_up()
            rate = config.learning_rate * lr_factor(self.step, config)
            values, masks = self._learn(network, batch, rate)
            self.step += 1
            self.seconds = time.monotonic() - started
            if log is None:
                continue
            log.add(self.step, self.seconds, rate, values)
            progress.set_postfix({name: log.latest.get(name) for name in SHOWN}, refresh=False)
            if self.step % config.save_every == 0 or self.step == config.steps:
                log.flush()
                log.picture(self.step, draw_pairs(batch, mask_positions(batch), masks))
                write_checkpoint(self.output, self.model.config, config, self.tracking, self._state())
        if log is not None:
            log.close()
        self.fabric.barrier()
        averaged = self.average.module
        assert isinstance(averaged, SiamMaskPP)
        return averaged.eval()

    def _batches(self, show_progress: bool) -> tqdm[Any]:
        """This process's share of all batches from the present step on, and a bar of the progress."""
        config, fabric = self.config, self.fabric
        loader: DataLoader[Any] = DataLoader(
            PairDataset(self.sources, config, self.model.config),  # type: ignore[arg-type]
            config.batch_size // fabric.world_size,
            sampler=ShardSampler(config, self.step, fabric.global_rank, fabric.world_size),
            num_workers=self.workers,
            prefetch_factor=3 if self.workers else None,
            pin_memory=fabric.device.type == "cuda",
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
        """The network with the parts that learn from this step on, on all processes."""
        config, fabric = self.config, self.fabric
        learns = self.step >= unfreezing_step(config)
        set_trainable(self.model, config, backbone=learns)
        frozen = None
        if not learns and fabric.device.type == "cpu":
            share = config.batch_size // fabric.world_size
            frozen = FrozenBackbone(self.model.backbone, share, bfloat16=config.precision == "bf16-mixed")
        network: torch.nn.Module = fabric.setup_module(PairNetwork(self.model, frozen))
        return network

    def _learn(
        self, network: torch.nn.Module, batch: Batch, rate: float
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """One optimiser step; returns what is logged, and the logits of this process's masks."""
        config, fabric = self.config, self.fabric
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        prediction = network(batch.template, batch.search, mask_positions(batch))
        draws = random_draws(batch, config, self.step, fabric.global_rank)
        means, shares = reduce_means(batch_losses(prediction, batch, draws, config), fabric)
        self.optimizer.zero_grad()
        fabric.backward(total_loss(shares, config))
        norm = fabric.clip_gradients(
            network, self.optimizer, max_norm=config.gradient_clip_norm, error_if_nonfinite=False
        )
        self.optimizer.step()
        self.average.update_parameters(self.model)
        assert norm is not None
        return {**logged_values(means, config), "norm": norm}, prediction.masks

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.step, self.seconds = state["step"], state["seconds"]


def ema_update(decay: float) -> Any:
    """How `AveragedModel` averages: exponentially, and in the first steps over the short past that there is.

    With `decay` alone a short run would mostly average the weights that it began with.
    """

    def average(averaged: Any, current: Any, count: Tensor) -> None:
        past = (1 + int(count)) / (10 + int(count))
        get_ema_multi_avg_fn(min(decay, past))(averaged, current, count)

    return average
