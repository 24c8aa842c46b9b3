"""Many processes compute what one would (promise T5)."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.pixelperfect.losses import hinge_loss, info_nce
from pyiqa_pixelperfect.training.distributed import Processes, gather_with_gradient, join_processes

WORLD, ROWS = 2, 5


class Stage(nn.Module):
    """As in the trainer: a local mean loss, and a contrastive one over the rows of all processes."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(6, 4, dtype=torch.float64)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        one, two = (nn.functional.normalize(self.project(rows), dim=1) for rows in (first, second))
        local = hinge_loss(one.sum(1), two.sum(1))
        return local + info_nce(gather_with_gradient(one), gather_with_gradient(two))


def stage_and_rows() -> tuple[Stage, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    stage = Stage()
    with torch.no_grad():
        for parameter in stage.parameters():
            parameter.normal_(generator=generator)
    return stage, torch.randn(2, WORLD * ROWS, 6, generator=generator, dtype=torch.float64)


def work(rank: int, folder: str) -> None:
    store = dist.FileStore(f"{folder}/store", WORLD)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORLD, timeout=timedelta(minutes=10))
    processes = Processes(rank, WORLD, torch.device("cpu"))
    stage, rows = stage_and_rows()
    mine = rows[:, rank * ROWS : (rank + 1) * ROWS]
    model = DistributedDataParallel(stage)  # averages gradients for as long as it lives
    loss = model(*mine)
    loss.backward()
    value = loss.detach()
    mean = processes.mean(value)
    gathered = gather_with_gradient(torch.full((2, 1), float(rank)))
    result = {"loss": mean, "own": value, "gathered": gathered}
    result |= {name: parameter.grad for name, parameter in stage.named_parameters()}
    torch.save(result, f"{folder}/{rank}.pt")
    processes.leave()


def test_t5_two_processes_equal_one(tmp_path: Path):
    mp.start_processes(work, (str(tmp_path),), nprocs=WORLD, start_method="fork")
    stage, rows = stage_and_rows()
    loss = stage(*rows)
    loss.backward()
    results = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]
    for result in results:
        assert (result["loss"] - loss.detach()).abs() <= 1e-8
        for name, parameter in stage.named_parameters():
            assert (result[name] - parameter.grad).abs().max() <= 1e-8
            assert parameter.grad.abs().max() > 1e-3
        assert result["gathered"].ravel().tolist() == [0.0, 0.0, 1.0, 1.0]
    assert results[0]["own"] != results[1]["own"]  # the mean must not have written over them


def test_one_process_needs_no_group(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    processes = join_processes("cpu")
    assert (processes.rank, processes.world, processes.first) == (0, 1, True)
    assert not dist.is_initialized()
    values = torch.ones(3, requires_grad=True)
    assert gather_with_gradient(values) is values
    assert torch.equal(processes.mean(values.detach()), torch.ones(3))
    processes.leave()


@pytest.mark.parametrize("device", ["banana", "", "cuda:x"])
def test_unknown_devices_are_named(device):
    with pytest.raises(ConfigError, match="device: expected auto, cpu, cuda or cuda:N, got"):
        join_processes(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_cuda_device_is_named():
    with pytest.raises(ConfigError, match=r"'cuda:0', but torch finds no CUDA device. Use device=cpu"):
        join_processes("cuda")
    assert join_processes("auto").device == torch.device("cpu")


def test_nothing_is_left_in_the_environment():
    before = dict(os.environ)
    join_processes("auto")
    assert dict(os.environ) == before
