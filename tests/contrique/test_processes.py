"""Two processes learn what one would on the joined batch (promise: 1e-8 in fp64)."""

from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pyiqa_pixelperfect.contrique.trainer import ContrastiveStage
from pyiqa_pixelperfect.contrique.views import Views

WORLD, PICTURES = 2, 3


class Patches(nn.Module):
    """In place of the encoder: no batch statistics, which processes on CPUs keep to themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Conv2d(3, 6, 5, stride=4, dtype=torch.float64)

    def patches(self, views: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(torch.tanh(self.kernel(views)), 2).flatten(2).mT


def stage_and_views() -> tuple[ContrastiveStage, Views]:
    generator = torch.Generator().manual_seed(0)
    stage = ContrastiveStage(Patches(), nn.Linear(6, 4, dtype=torch.float64), 0.1)
    with torch.no_grad():
        for parameter in stage.parameters():
            parameter.normal_(generator=generator)
    pixels = torch.rand(2 * WORLD * PICTURES, 3, 16, 16, generator=generator, dtype=torch.float64)
    return stage, Views(pixels, torch.tensor([0, 1, 130, 1, 0, 131] * 2))


def work(rank: int, folder: str) -> None:
    store = dist.FileStore(f"{folder}/store", WORLD)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORLD, timeout=timedelta(minutes=10))
    stage, views = stage_and_views()
    mine = torch.arange(rank * PICTURES, (rank + 1) * PICTURES)
    rows = torch.cat((mine, WORLD * PICTURES + mine))  # both views of this process's pictures
    model = DistributedDataParallel(stage)  # averages gradients for as long as it lives
    loss = model(Views(views.pixels[rows], views.classes[rows]))
    loss.backward()
    result = {name: parameter.grad for name, parameter in stage.named_parameters()}
    torch.save({"loss": loss.detach(), **result}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "float", lambda values: values)  # the trainer computes the loss in float32
    mp.start_processes(work, (str(tmp_path),), nprocs=WORLD, start_method="fork")
    stage, views = stage_and_views()
    loss = stage(views)
    loss.backward()
    for rank in range(WORLD):
        result = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert (result["loss"] - loss.detach()).abs() <= 1e-8
        for name, parameter in stage.named_parameters():
            assert (result[name] - parameter.grad).abs().max() <= 1e-8
            assert parameter.grad.abs().max() > 1e-4
