"""One process or many, under ``torchrun`` or not, on one machine or several."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["Processes", "gather_with_gradient", "join_processes", "parallel"]


@dataclass(frozen=True)
class Processes:
    """This process among all.

    Attributes:
        rank: number of this process.
        world: number of processes.
        device: where this process computes.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def leave(self) -> None:
        """Leave the process group, if there is one."""
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            dist.barrier()

    def share(self, network: nn.Module) -> None:
        """Give all processes the weights and buffers of the first one's network."""
        if self.world > 1:
            for tensor in network.state_dict().values():
                values = tensor.contiguous()
                dist.broadcast(values, 0)
                tensor.copy_(values)

    def mean(self, values: Tensor) -> Tensor:
        """Mean of a tensor over all processes."""
        if self.world > 1:
            values = values.clone()
            dist.all_reduce(values)
            values /= self.world
        return values


def join_processes(device: str, *, patience_hours: float | None = None) -> Processes:
    """Join the processes that ``torchrun`` started, or be the only one.

    Args:
        device: ``auto`` (CUDA if there is any), ``cpu``, ``cuda`` or ``cuda:N``.
        patience_hours: how long a process waits for the others before it takes them for dead; torch's choice of
            minutes if not given.

    Raises:
        ConfigError: no such device.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    _check_device(device)
    if world > 1 and not dist.is_initialized():
        patience = None if patience_hours is None else timedelta(hours=patience_hours)
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=patience)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    return Processes(rank, world, torch.device(device))


def _check_device(device: str) -> None:
    expected = "auto, cpu, cuda or cuda:N"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ConfigError("device", expected, repr(device)) from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device", expected, f"{device!r}, but torch finds no CUDA device", "Use device=cpu.")


def parallel(stage: nn.Module, processes: Processes) -> nn.Module:
    """Wrap a stage so that all processes average its gradients; batch statistics are joined too, on GPUs."""
    if processes.world == 1:
        return stage
    if processes.device.type == "cuda":
        stage = nn.SyncBatchNorm.convert_sync_batchnorm(stage)
        return DistributedDataParallel(stage, device_ids=[processes.device])
    return DistributedDataParallel(stage)


def gather_with_gradient(values: Tensor) -> Tensor:
    """Concatenate (N, ...) of all processes to (world * N, ...), with a gradient that flows back to all of them.

    With the whole loss computed on every rank and gradients averaged by DDP, the result equals one process on the
    joined batch. Gathering without the summed backward would divide the gradient by the world size.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return values
    gathered: Tensor = _Gather.apply(values)
    return gathered


class _Gather(torch.autograd.Function):
    """Own code rather than ``torch.distributed.nn.functional.all_gather``, which is deprecated."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        parts = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, values.contiguous())
        ctx.rows = len(values)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # Every process had a loss of its own over these rows: what they say about ours adds up.
        summed = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        first = dist.get_rank() * ctx.rows
        return summed[first : first + ctx.rows]
