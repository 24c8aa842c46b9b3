"""Pre-training of CONTRIQUE (arXiv 2110.13266): an encoder that tells distortions apart, and authentic pictures.

Run it by ``pixelperfect train configs/contrique/pretrain.yaml``, or under ``torchrun`` on several processes. All
randomness is a function of the seed and the sample number, so a checkpoint is weights, optimizer and a step number,
and a run killed at any moment continues to the same bits (on one device and build).
"""

import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.contrique.config import ContriqueConfig
from pyiqa_pixelperfect.contrique.losses import supervised_nt_xent
from pyiqa_pixelperfect.contrique.networks import Encoder, Projector
from pyiqa_pixelperfect.contrique.pictures import Pictures, find_pictures, views_of_steps
from pyiqa_pixelperfect.contrique.views import Views
from pyiqa_pixelperfect.contrique.weights_file import write_contrique
from pyiqa_pixelperfect.data.pristine import photos_digest
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint, save_checkpoint
from pyiqa_pixelperfect.training.distributed import Processes, gather_with_gradient, join_processes, parallel
from pyiqa_pixelperfect.training.guards import FiniteGuard, check_finite
from pyiqa_pixelperfect.training.identity import FREE, check_same_run, fingerprint
from pyiqa_pixelperfect.training.logbook import Logbook
from pyiqa_pixelperfect.training.precision import autocast
from pyiqa_pixelperfect.training.provenance import UNKNOWN, code_versions, commits_of, current_commit
from pyiqa_pixelperfect.training.schedule import warmup_cosine

__all__ = ["ContrastiveStage", "build_stage", "make_optimizer", "train"]

_log = logging.getLogger(__name__)


class ContrastiveStage(nn.Module):
    """Encoder, projector and loss; a module, so that DDP can wrap it."""

    def __init__(self, encoder: Encoder, projector: Projector, temperature: float) -> None:
        super().__init__()
        self.encoder, self.projector, self.temperature = encoder, projector, temperature

    def forward(self, views: Views) -> Tensor:
        """Loss over the patches of all views of all processes."""
        patches = self.encoder.patches(views.pixels.contiguous(memory_format=torch.channels_last))
        embeddings = self.projector(patches.flatten(0, 1)).float()
        classes = views.classes.repeat_interleave(patches.shape[1])
        with torch.autocast(embeddings.device.type, enabled=False):
            return supervised_nt_xent(
                gather_with_gradient(embeddings), gather_with_gradient(classes), temperature=self.temperature
            )


def build_stage(config: ContriqueConfig) -> ContrastiveStage:
    """Networks with initial weights drawn from the configuration's seed, the caller's generator left alone."""
    network = config.network
    encoder = Encoder(
        network.backbone,
        network.options,
        levels=network.levels,
        deviation=network.deviation,
        seed=config.seed,
    )
    projector = Projector(encoder.width, network.projection, seed=config.seed + 1)
    return ContrastiveStage(encoder.to(memory_format=torch.channels_last), projector, config.temperature)


def make_optimizer(stage: nn.Module, config: ContriqueConfig) -> torch.optim.Optimizer:
    """The optimizer; normalization and biases are not decayed (in the reference a few are, by accident of names)."""
    named = list(stage.parameters())
    groups = [
        {"params": [parameter for parameter in named if parameter.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [parameter for parameter in named if parameter.dim() <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def train(config: ContriqueConfig) -> Path:
    """Train the encoder and write ``<output>/encoder.safetensors``.

    Resumes from the newest intact checkpoint in ``<output>``, if there is one.

    Raises:
        ConfigError: the output folder holds a run of another configuration, or there is no such device or backbone.
        DataError: the pictures are missing, or not those that the run in the output folder began with.
        TrainingDivergedError: losses, gradients or weights became non-finite.
    """
    processes = join_processes(config.device)
    try:
        return _train(config, processes)
    finally:
        processes.leave()


def _train(config: ContriqueConfig, processes: Processes) -> Path:
    pictures = find_pictures(config.data)
    settings = fingerprint(config, FREE | {"keep_every"})
    digest = photos_digest([*pictures.pristine, *pictures.authentic])
    resumed = latest_checkpoint(config.output) or {}
    check_same_run(config.output, settings, digest, resumed)
    began = resumed.get("commits", [UNKNOWN]) if resumed else []
    commits = commits_of(began, current_commit())
    identity = {"config": settings, "photos": digest, "commits": commits}
    stage = build_stage(config).to(processes.device)
    optimizer = make_optimizer(stage, config)
    guard, first = FiniteGuard(), 0
    if resumed:
        stage.load_state_dict(resumed["model"])
        optimizer.load_state_dict(resumed["optimizer"])
        guard.load_state_dict(resumed["guard"])
        first = int(resumed["step"])
    card = _card(config, pictures, digest, commits)
    with Logbook(config.output, first, active=processes.first) as logbook:
        logbook.stage("contrique", config.steps, first)
        model = parallel(stage, processes).train()
        for step, views in enumerate(views_of_steps(config, pictures, processes, first), start=first):
            loss, rate = _step(model, stage, optimizer, views, step, config, processes, guard)
            done = step + 1
            logbook.advance(f"contrique loss {loss:.4f}")
            if step % config.log_every == 0:
                logbook.write(done, "contrique", loss=loss, rate=rate, skipped=guard.skipped)
            if not processes.first:
                continue
            if done % config.checkpoint_every == 0 or done == config.steps:
                check_finite(done, stage.state_dict())
                state = {"step": done, "model": stage.state_dict(), "optimizer": optimizer.state_dict()}
                save_checkpoint(config.output, done, identity | state | {"guard": guard.state_dict()})
            if config.keep_every and done % config.keep_every == 0:
                write_contrique(
                    config.output / f"encoder-{done:08d}.safetensors", stage.encoder, None, card | {"step": str(done)}
                )
    path = config.output / "encoder.safetensors"
    if processes.first:
        write_contrique(path, stage.encoder, None, card)
        _log.info("wrote %s", path)
    return path


def _step(
    model: nn.Module,
    stage: nn.Module,
    optimizer: torch.optim.Optimizer,
    views: Views,
    step: int,
    config: ContriqueConfig,
    processes: Processes,
    guard: FiniteGuard,
) -> tuple[float, float]:
    """Take one step unless it is not finite; return loss and learning rate."""
    rate = config.learning_rate * warmup_cosine(step, config.steps, round(config.warmup * config.steps))
    for group in optimizer.param_groups:
        group["lr"] = rate
    statistics = [buffer.clone() for buffer in stage.buffers()]
    with autocast(processes.device, config.precision):
        loss: Tensor = model(views)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norms = torch.nn.utils.get_total_norm([p.grad for p in stage.parameters() if p.grad is not None])
    # A step is judged by all processes together, or their weights would drift apart.
    judged, gradient = processes.mean(torch.stack([loss.detach(), norms])).tolist()
    if guard.accept(step, judged, gradient):
        optimizer.step()
    else:  # the forward pass has already mixed the bad batch into the running statistics
        for buffer, before in zip(stage.buffers(), statistics, strict=True):
            buffer.copy_(before)
    return judged, rate


def _card(config: ContriqueConfig, pictures: Pictures, digest: str, commits: list[str]) -> dict[str, str]:
    held = "every fifth clean photo held out" if config.data.holdout else "none held out"
    return {
        "config": config.model_dump_json(exclude={"output", "device", "data"}),
        "crop": str(config.data.crop),
        "seed": str(config.seed),
        "photos": f"{len(pictures.pristine)} clean and {len(pictures.authentic)} authentic pictures, {held}",
        "photos_sha256": digest,
        "labels_of_encoder": "none: classes of synthetic distortions and of single pictures, no human score",
        "commit": ", resumed at ".join(commits),
        "versions": code_versions(),
        "license": "Apache-2.0",
    }
