"""Stops a run before it saves numbers that are no numbers."""

import math
from collections.abc import Mapping

from torch import Tensor

from pyiqa_pixelperfect.errors import TrainingDivergedError

__all__ = ["FiniteGuard", "check_finite"]

_FIX = "Lower learning_rate, or resume from the last checkpoint with another seed in a new folder."


class FiniteGuard:
    """Counts steps whose loss or gradient is not finite; such steps must be skipped, and too many in a row end the run.

    Args:
        patience: how many bad steps in a row are one too many.
    """

    def __init__(self, patience: int = 3) -> None:
        self.patience, self.in_a_row, self.skipped = patience, 0, 0

    def accept(self, step: int, loss: float, gradient_norm: float) -> bool:
        """Return whether to take this step.

        Raises:
            TrainingDivergedError: ``patience`` bad steps in a row.
        """
        if math.isfinite(loss) and math.isfinite(gradient_norm):
            self.in_a_row = 0
            return True
        self.in_a_row += 1
        self.skipped += 1
        if self.in_a_row >= self.patience:
            got = f"loss {loss} and gradient norm {gradient_norm} at step {step}, {self.in_a_row} such steps in a row"
            raise TrainingDivergedError("training", "finite losses and gradients", got, _FIX)
        return False

    def state_dict(self) -> dict[str, int]:
        """What a checkpoint keeps of the counts."""
        return {"in_a_row": self.in_a_row, "skipped": self.skipped}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Take counts from a checkpoint; those it does not have stay."""
        self.in_a_row, self.skipped = state.get("in_a_row", self.in_a_row), state.get("skipped", self.skipped)


def check_finite(step: int, tensors: Mapping[str, Tensor]) -> None:
    """Check weights before they are saved: a finite loss can still have pushed them over the edge.

    Raises:
        TrainingDivergedError: naming the first tensor with NaN or infinity.
    """
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            bad = int((~tensor.isfinite()).sum())
            got = f"{bad} of {tensor.numel()} values of {name} NaN or infinite at step {step}"
            raise TrainingDivergedError("training", "finite weights", got, _FIX)
