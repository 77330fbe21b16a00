"""One process or many, on CPUs or GPUs, in full or mixed precision: Lightning Fabric, set up from outside.

`torchrun` starts the processes and tells each its place; nothing here depends on how many there are.
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
from siammaskpp_core.errors import MissingPackageError
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.losses import Mean

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def start_fabric(config: TrainingConfig) -> Fabric:
    """Join the processes that torchrun started, or run alone.

    Raises :class:`ConfigError` for a configuration that these processes and devices cannot run.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingPackageError(
            "training needs lightning-fabric: pip install 'siammaskpp[train]'"
        ) from error
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    machines = int(os.environ.get("WORLD_SIZE", "1")) // processes
    if config.batch_size % (processes * machines):
        raise ConfigError(
            f"batch_size: {config.batch_size} does not divide among {processes * machines} processes"
        )
    fabric = Fabric(devices=processes, num_nodes=machines, precision=config.precision)  # type: ignore[arg-type]
    if fabric.device.type == "cpu" and config.precision == "16-mixed":
        raise ConfigError("precision: 16-mixed needs a GPU; on a CPU bf16-mixed")
    if fabric.device.type == "cpu" and fabric.world_size > 1 and config.batch_norm == "sync":
        raise ConfigError("batch_norm: sync needs GPUs; several processes on CPUs take local or frozen")
    fabric.launch()
    return fabric


def synchronise_batch_norms(model: nn.Module, fabric: Fabric, config: TrainingConfig) -> None:
    """Let the batch norms of `model` compute the statistics of all processes' pairs, when asked to."""
    if config.batch_norm == "sync" and fabric.world_size > 1:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)


def reduce_means(means: dict[str, Mean], fabric: Fabric) -> tuple[dict[str, Mean], dict[str, Tensor]]:
    """The means over the pairs of all processes, and what each process derives its gradients from.

    The second are this process's totals over everybody's counts, times the number of processes, by
    which the averaging of gradients divides: their averaged gradient is that of the first, whether or
    not every process has as many positive anchors as the others.
    """
    own = torch.stack(
        [torch.stack((mean.total.detach().float(), mean.count.float())) for mean in means.values()]
    )
    sums = fabric.all_reduce(own, reduce_op="sum")
    everybodys = {name: Mean(*pair) for name, pair in zip(means, sums, strict=True)}  # type: ignore[arg-type]
    shares = {
        name: Mean(mean.total * fabric.world_size, everybodys[name].count).value
        for name, mean in means.items()
    }
    return everybodys, shares


class ShardSampler(Sampler[int]):
    """The pairs of one process: of every batch, from `first_step` on, the part that is its own.

    Batch `s` of B pairs consists of the pairs s * B to s * B + B - 1, however many processes share it.
    """

    def __init__(self, config: TrainingConfig, first_step: int, rank: int, processes: int) -> None:
        self.steps = range(first_step, config.steps)
        self.batch, self.share = config.batch_size, config.batch_size // processes
        self.offset = rank * self.share

    def __iter__(self) -> Iterator[int]:
        for step in self.steps:
            first = step * self.batch + self.offset
            yield from range(first, first + self.share)

    def __len__(self) -> int:
        return len(self.steps) * self.share
