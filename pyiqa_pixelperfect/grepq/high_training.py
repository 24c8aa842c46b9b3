"""Training of the high-level branch: crops of photos, pseudo-labels from prompts, contrast between best and worst."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as V

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.data.crops import StepSampler
from pyiqa_pixelperfect.distortions.counter import planned_seeds
from pyiqa_pixelperfect.grepq.config import HighLevelConfig
from pyiqa_pixelperfect.grepq.losses import group_contrastive_loss, pseudo_labels
from pyiqa_pixelperfect.grepq.networks import HighLevelNet
from pyiqa_pixelperfect.grepq.run import Run
from pyiqa_pixelperfect.images import read_image
from pyiqa_pixelperfect.training.distributed import gather_with_gradient, parallel
from pyiqa_pixelperfect.training.precision import autocast

__all__ = ["HighLevelStage", "MiddleCrops", "train_high_level"]

_STREAM_ORDER = 320


class MiddleCrops(Dataset[Tensor]):
    """The middle of each photo, in an order drawn anew for each pass; smaller photos are enlarged to fill the crop.

    Args:
        photos: paths of photos.
        crop: side in px.
        seed: seed of the order.
    """

    def __init__(self, photos: list[Path], crop: int, seed: int) -> None:
        self.photos, self.crop, self.seed = photos, crop, seed

    def __len__(self) -> int:
        return 1 << 62  # a stream: the sampler decides how much of it is read

    def __getitem__(self, index: int) -> Tensor:
        """Crop number ``index``, (3, crop, crop) in [0, 1]."""
        epoch, place = divmod(index, len(self.photos))
        keys = planned_seeds(self.seed, epoch, np.arange(len(self.photos)), _STREAM_ORDER, 1)[:, 0]
        photo = read_image(self.photos[int(np.argsort(keys, kind="stable")[place])])[0]
        short = min(photo.shape[-2:])
        if short < self.crop:
            size = [max(self.crop, round(side * self.crop / short)) for side in photo.shape[-2:]]
            photo = V.resize(photo, size, InterpolationMode.BICUBIC, antialias=True).clamp(0.0, 1.0)
        middle: Tensor = V.center_crop(photo, [self.crop, self.crop])
        return middle.contiguous()


class HighLevelStage(nn.Module):
    """Tower, projection head and loss as one module, so that DDP sees its forward pass.

    Args:
        network: tower and prompts; its positional embedding is used or left out as in scoring.
        config: groups, temperature and projection head.
    """

    def __init__(self, network: HighLevelNet, config: HighLevelConfig) -> None:
        super().__init__()
        self.network, self.groups, self.temperature = network, config.groups, config.temperature
        with seeded_weights(config.seed):
            features = network.prompts.shape[1]
            self.projection = nn.Sequential(nn.Linear(features, config.projection), nn.ReLU())
        self.projection.requires_grad_(config.train_projection)
        if config.positions == "none":
            network.tower.get_parameter("head.pos_embed").requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Loss of (N, 3, S, S) crops in [0, 1], those of all processes together."""
        features = self.network(images).to(self.network.prompts.dtype)  # the loss is never in half precision
        labels = pseudo_labels(features.detach(), self.network.prompts)
        projected, labels = gather_with_gradient(self.projection(features)), gather_with_gradient(labels)
        group = len(labels) // self.groups
        return group_contrastive_loss(projected, labels, group=group, temperature=self.temperature)


def train_high_level(
    run: Run, config: HighLevelConfig, network: HighLevelNet, photos: list[Path], resumed: dict[str, Any]
) -> None:
    """Train the tower in place, from a checkpoint on if there is one.

    Args:
        run: processes, log book and guard.
        config: of the run.
        network: with the weights to start from.
        photos: to learn from.
        resumed: the newest checkpoint, or empty.

    Raises:
        TrainingDivergedError: losses, gradients or weights became non-finite.
    """
    optimizing, processes = config.optimizer, run.processes
    stage = HighLevelStage(network, config).to(processes.device)
    trained = [parameter for parameter in stage.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=optimizing.learning_rate)
    first = run.restore(stage, optimizer, resumed)
    model = parallel(stage, processes).train()
    sampler = StepSampler(first, optimizing.steps, config.photos, processes.rank, processes.world)
    crops = _loader(MiddleCrops(photos, config.data.crop, config.seed), sampler, config.data.workers)
    run.logbook.stage(run.name, optimizing.steps, first)
    for step, images in enumerate(crops, start=first):
        for group in optimizer.param_groups:
            group["lr"] = optimizing.learning_rate * min(1.0, (step + 1) / max(1, optimizing.warmup))
        statistics = [buffer.clone() for buffer in stage.buffers()]
        with autocast(processes.device, config.precision):
            loss = model(images.to(processes.device, non_blocking=True))
        if not run.step(step, loss, optimizer, optimizing.clip):
            # The forward pass has already mixed the bad batch into the running statistics.
            for buffer, before in zip(stage.buffers(), statistics, strict=True):
                buffer.copy_(before)
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == optimizing.steps:
            run.checkpoint(step + 1, stage, optimizer)


def _loader(dataset: MiddleCrops, sampler: StepSampler, workers: int) -> Iterator[Tensor]:
    loader: DataLoader[Tensor] = DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),
    )
    return iter(loader)
