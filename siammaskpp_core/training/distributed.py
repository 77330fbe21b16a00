"""Distributed training with Lightning Fabric: devices, precision, losses and batches over all processes.

`torchrun` starts the processes and tells each its rank by environment variables.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler

from siammaskpp_core.config import ConfigError
from siammaskpp_core.errors import extra
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.losses import Mean

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_log = logging.getLogger(__name__)


def start_fabric(config: TrainingConfig) -> Fabric:
    """Join the processes that torchrun started, or run as a single process.

    Raises :class:`ConfigError` for a configuration that these processes and devices cannot run.
    """
    with extra("train", "for training"):
        from lightning_fabric import Fabric
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    machines = int(os.environ.get("WORLD_SIZE", "1")) // processes
    if config.batch_size % (processes * machines):
        raise ConfigError(
            f"batch_size: {config.batch_size} is not divisible by the {processes * machines} processes"
        )
    fabric = Fabric(devices=processes, num_nodes=machines, precision=config.precision)  # type: ignore[arg-type]
    if fabric.device.type == "cpu" and config.precision == "bf16-mixed" and not _computes_bfloat16():
        _log.warning("this processor has no fast bfloat16: training in float32 (precision: 32-true)")
        fabric = Fabric(devices=processes, num_nodes=machines, precision="32-true")
    if fabric.device.type == "cpu" and config.precision == "16-mixed":
        raise ConfigError("precision: 16-mixed needs a GPU; use bf16-mixed on a CPU")
    if fabric.device.type == "cpu" and fabric.world_size > 1 and config.batch_norm == "sync":
        raise ConfigError("batch_norm: sync needs GPUs; use local or frozen with several processes on CPUs")
    fabric.launch()
    return fabric


def _computes_bfloat16() -> bool:
    """Return whether this processor is fast in bfloat16; others emulate it, about ten times slower."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def synchronise_batch_norms(model: nn.Module, fabric: Fabric, config: TrainingConfig) -> None:
    """Make the batch norms of `model` share their statistics between processes, with batch_norm `sync`."""
    if config.batch_norm == "sync" and fabric.world_size > 1:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)


def reduce_means(means: dict[str, Mean], fabric: Fabric) -> tuple[dict[str, Mean], dict[str, Tensor]]:
    """Reduce the means of all processes; returns the global means and the terms to differentiate here.

    Such a term is this process's total divided by the count of all processes, times the number of processes,
    because averaging the gradients divides by it. The averaged gradient is then that of the global mean, even
    when the processes have different numbers of positive anchors.
    """
    own = torch.stack(
        [torch.stack((mean.total.detach().float(), mean.count.float())) for mean in means.values()]
    )
    sums = fabric.all_reduce(own, reduce_op="sum")
    global_means = {name: Mean(*pair) for name, pair in zip(means, sums, strict=True)}  # type: ignore[arg-type]
    own_terms = {
        name: Mean(mean.total * fabric.world_size, global_means[name].count).value
        for name, mean in means.items()
    }
    return global_means, own_terms


class ShardSampler(Sampler[int]):
    """Indices of the pairs that one process takes from every batch, from `first_step` on.

    Batch `s` of B pairs consists of the pairs s * B to s * B + B - 1 for any number of processes.
    """

    def __init__(self, config: TrainingConfig, first_step: int, rank: int, processes: int) -> None:
        self.steps = range(first_step, config.steps)
        self.batch_size, self.shard_size = config.batch_size, config.batch_size // processes
        self.offset = rank * self.shard_size

    def __iter__(self) -> Iterator[int]:
        for step in self.steps:
            first = step * self.batch_size + self.offset
            yield from range(first, first + self.shard_size)

    def __len__(self) -> int:
        return len(self.steps) * self.shard_size
