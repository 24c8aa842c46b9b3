"""Training of the low-level branch: the loop, its stage and its checkpoints."""

from typing import Any

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.data.crops import StepSampler
from pyiqa_pixelperfect.grepq.config import LowLevelConfig, OptimizerConfig
from pyiqa_pixelperfect.grepq.fragment_data import FragmentDataset, view_loader
from pyiqa_pixelperfect.grepq.losses import quality_weights, weighted_contrastive_loss
from pyiqa_pixelperfect.grepq.networks import LowLevelNet
from pyiqa_pixelperfect.grepq.run import Run
from pyiqa_pixelperfect.grepq.version_sets import VersionSets
from pyiqa_pixelperfect.training.distributed import gather_with_gradient, parallel
from pyiqa_pixelperfect.training.precision import autocast
from pyiqa_pixelperfect.training.schedule import warmup_cosine

__all__ = ["LowLevelStage", "learning_rate", "train_low_level"]


class LowLevelStage(nn.Module):
    """The loss of two views as one module, so that DDP sees its forward pass.

    Args:
        network: what learns.
        config: temperature and kind of contrast.
    """

    def __init__(self, network: LowLevelNet, config: LowLevelConfig) -> None:
        super().__init__()
        self.network, self.temperature, self.cross_content = network, config.temperature, config.cross_content

    def forward(self, anchors: Tensor, others: Tensor, similarity: Tensor) -> Tensor:
        """Loss of P photos.

        Args:
            anchors: (P, V, 3, S, S) in [0, 1].
            others: the same.
            similarity: (P, V, V).
        """
        photos, versions = anchors.shape[:2]
        pictures = torch.cat((anchors, others)).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features = self.network(pictures).to(similarity.dtype).reshape(2, photos, versions, -1)
        one, other, weights = features[0], features[1], quality_weights(similarity)
        if self.cross_content:  # photos of other processes are negatives like those of this one
            one, other, weights = (gather_with_gradient(part) for part in (one, other, weights))
        return weighted_contrastive_loss(
            one, other, weights, temperature=self.temperature, cross_content=self.cross_content
        )


def learning_rate(step: int, config: OptimizerConfig) -> float:
    """Rate at a step: linear warm-up, then half a cosine down to ``final_rate``."""
    factor = warmup_cosine(step, config.steps, config.warmup)
    return config.final_rate + (config.learning_rate - config.final_rate) * factor


def train_low_level(
    run: Run, config: LowLevelConfig, network: LowLevelNet, sets: VersionSets, resumed: dict[str, Any]
) -> None:
    """Train the network in place, from a checkpoint on if there is one.

    Args:
        run: processes, log book and guard.
        config: of the run.
        network: with its initial weights.
        sets: what to learn from.
        resumed: the newest checkpoint, or empty.

    Raises:
        TrainingDivergedError: losses, gradients or weights became non-finite.
    """
    processes, optimizing = run.processes, config.optimizer
    stage = LowLevelStage(network, config)
    optimizer = torch.optim.AdamW(stage.parameters(), lr=optimizing.learning_rate, weight_decay=optimizing.weight_decay)
    first = run.restore(stage, optimizer, resumed)
    model = parallel(stage, processes).train()
    dataset = FragmentDataset(sets, config.grid, config.cell, config.seed)
    sampler = StepSampler(first, optimizing.steps, config.photos, processes.rank, processes.world)
    run.logbook.stage("low level", optimizing.steps, first)
    for step, views in enumerate(view_loader(dataset, sampler, config.data.workers), start=first):
        anchors, others, similarity = (part.to(processes.device, non_blocking=True) for part in views)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, optimizing)
        statistics = [buffer.clone() for buffer in stage.buffers()]
        with autocast(processes.device, config.precision):
            loss = model(anchors.float() / 255.0, others.float() / 255.0, similarity)
        if not run.step(step, loss, optimizer, optimizing.clip):
            # The forward pass has already mixed the bad batch into the running statistics.
            for buffer, before in zip(stage.buffers(), statistics, strict=True):
                buffer.copy_(before)
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == optimizing.steps:
            run.checkpoint(step + 1, stage, optimizer)
