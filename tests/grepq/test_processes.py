"""Two processes compute the losses and gradients of one on the joined batch (promise T5)."""

from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.grepq.config import HighLevelConfig, LowLevelConfig
from pyiqa_pixelperfect.grepq.high_training import HighLevelStage
from pyiqa_pixelperfect.grepq.low_training import LowLevelStage
from pyiqa_pixelperfect.grepq.networks import HighLevelNet, LowLevelNet

WORLD, PHOTOS = 2, 2
ALWAYS = {"output": "o", "data": {"photos": "p"}, "optimizer": {"steps": 1}}


def stages() -> dict[str, tuple[nn.Module, tuple[torch.Tensor, ...]]]:
    """Stages in evaluation mode (batch statistics are joined on GPUs only) and what they are given."""
    generator = torch.Generator().manual_seed(0)
    views = [torch.rand(WORLD * PHOTOS, 3, 3, 48, 48, generator=generator) for _ in range(2)]
    similarity = torch.rand(WORLD * PHOTOS, 3, 3, generator=generator)
    similarity = 0.5 * (similarity + similarity.transpose(1, 2))
    crops = torch.rand(WORLD * 4, 3, 64, 64, generator=generator)
    found = {}
    for cross in (False, True):
        with seeded_weights(0):
            config = LowLevelConfig(system="grepq", cross_content=cross, **ALWAYS)
            found[f"low {cross}"] = (LowLevelStage(LowLevelNet(4, 6), config).eval(), (*views, similarity))
    with seeded_weights(0):
        network = HighLevelNet((1, 1, 1, 1), 4, 8)
        network.prompts.copy_(torch.randn(2, 8))
    config = HighLevelConfig(system="grepq-high", photos=4, groups=2, train_projection=True, projection=5, **ALWAYS)
    found["high"] = (HighLevelStage(network, config).eval(), (crops,))
    return {name: (stage.double(), tuple(part.double() for part in batch)) for name, (stage, batch) in found.items()}


def gradients(stage: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in stage.named_parameters() if parameter.grad is not None}


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", WORLD)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORLD, timeout=timedelta(minutes=10))
    for name, (stage, batch) in stages().items():
        mine = [part[rank * len(part) // WORLD : (rank + 1) * len(part) // WORLD] for part in batch]
        model = DistributedDataParallel(stage)  # averages gradients for as long as it lives
        loss = model(*mine)
        loss.backward()
        torch.save({"loss": loss.detach(), **gradients(stage)}, f"{folder}/{name}-{rank}.pt")
    dist.destroy_process_group()


def test_t5_two_processes_equal_one(tmp_path: Path):
    mp.start_processes(work, (str(tmp_path),), nprocs=WORLD, start_method="fork")
    for name, (stage, batch) in stages().items():
        loss = stage(*batch)
        loss.backward()
        results = [torch.load(tmp_path / f"{name}-{rank}.pt", weights_only=True) for rank in range(WORLD)]
        mean = sum(result.pop("loss") for result in results) / WORLD
        torch.testing.assert_close(mean, loss.detach(), rtol=1e-8, atol=1e-8)
        expected = gradients(stage)
        assert max(gradient.abs().max() for gradient in expected.values()) > 1e-4
        for result in results:
            assert result.keys() == expected.keys()
            for parameter, gradient in expected.items():
                torch.testing.assert_close(result[parameter], gradient, rtol=1e-6, atol=1e-9)
