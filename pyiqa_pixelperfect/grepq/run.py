"""What the runs of both branches share: one guarded step, and checkpoints."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.training.checkpoint import save_checkpoint
from pyiqa_pixelperfect.training.distributed import Processes
from pyiqa_pixelperfect.training.guards import FiniteGuard, check_finite
from pyiqa_pixelperfect.training.logbook import Logbook

__all__ = ["Run"]


@dataclass
class Run:
    """A training run.

    Attributes:
        name: stage of the log book.
        output: folder of the run.
        log_every: steps between lines of the log book.
        processes: this process among all.
        logbook: takes figures.
        guard: refuses steps that are not finite.
        identity: entries of every checkpoint that say which run this is.
    """

    name: str
    output: Path
    log_every: int
    processes: Processes
    logbook: Logbook
    guard: FiniteGuard
    identity: dict[str, Any]

    def restore(self, stage: nn.Module, optimizer: torch.optim.Optimizer, resumed: dict[str, Any]) -> int:
        """Take over a checkpoint, if there is one, and return the step to go on from."""
        if not resumed:
            return 0
        stage.load_state_dict(resumed["model"])
        optimizer.load_state_dict(resumed["optimizer"])
        self.guard.load_state_dict(resumed["guard"])
        return int(resumed["step"])

    def step(self, step: int, loss: Tensor, optimizer: torch.optim.Optimizer, clip: float) -> bool:
        """Take one step of the optimizer, unless loss or gradient are not finite; return whether it was taken.

        Raises:
            TrainingDivergedError: too many such steps in a row.
        """
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = nn.utils.clip_grad_norm_(trained, clip)
        # A step is judged by all processes together, or their weights would drift apart.
        judged, gradient = self.processes.mean(torch.stack([loss.detach(), norm])).tolist()
        taken = self.guard.accept(step, judged, gradient)
        if taken:
            optimizer.step()
        self.logbook.advance(f"{self.name} loss {judged:.4f}")
        if step % self.log_every == 0:
            rate = optimizer.param_groups[0]["lr"]
            figures = {"rate": rate, "skipped": self.guard.skipped, "loss": judged, "gradient": gradient}
            self.logbook.write(step + 1, self.name, **figures)
        return taken

    def checkpoint(self, step: int, stage: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Save everything that the run goes on from, by the first process."""
        if not self.processes.first:
            return
        check_finite(step, stage.state_dict())
        state = {"step": step, "optimizer": optimizer.state_dict(), "guard": self.guard.state_dict()}
        save_checkpoint(self.output, step, self.identity | state | {"model": stage.state_dict()})
