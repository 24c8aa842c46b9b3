"""Stops a run before it saves numbers that are no numbers."""

import math

from pyiqa_pixelperfect.errors import TrainingDivergedError

__all__ = ["FiniteGuard"]


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
            fix = "Lower learning_rate, or resume from the last checkpoint with another seed."
            raise TrainingDivergedError("training", "finite losses and gradients", got, fix)
        return False
