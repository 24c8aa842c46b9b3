"""How bad a difference is: a monotone network over the numbers of ``dissimilarity``.

Weights are positive and activations rise, so a pair that is more unlike in every respect is never less severe; equal
pictures have severity 0. What is left to learn is how the respects weigh against one another, the exchange rate between
families, and that takes few parameters: it is learned from closed-form metrics that were never fitted together, and
from ladders, along which severity has to rise.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyiqa_pixelperfect.pixelperfect.dissimilarity import DISSIMILARITIES

__all__ = ["Severity"]

FAINT = 1e-4  # of the usual size of a number: below, its root begins to rise in proportion, with a finite slope


class Severity(nn.Module):
    """Severity in [0, 1) of pairs by their dissimilarity.

    Args:
        hidden: rising units; half of them level off, the others do not.
    """

    usual: Tensor

    def __init__(self, hidden: int = 24) -> None:
        super().__init__()
        self.register_buffer("usual", torch.ones(DISSIMILARITIES))
        # Usual pairs begin in the middle of the range.
        self.inner = nn.Parameter(0.3 * torch.randn(hidden, 2 * DISSIMILARITIES) - 5.0)
        self.outer = nn.Parameter(0.1 * torch.randn(hidden) - 2.5)

    @torch.no_grad()
    def standardize(self, dissimilarities: Tensor) -> None:
        """Take the usual size of each number from pairs, (N, DISSIMILARITIES)."""
        self.usual.copy_(dissimilarities.square().mean(0).sqrt() + 1e-6)

    def forward(self, dissimilarities: Tensor) -> Tensor:
        """Judge pairs.

        Args:
            dissimilarities: (..., DISSIMILARITIES), from ``dissimilarity``.

        Returns:
            (...) in [0, 1): 0 for equal pictures, rising with every number.
        """
        linear = dissimilarities / self.usual
        root = (linear + FAINT).sqrt() - FAINT**0.5  # faint differences are told apart as well as strong ones
        units = torch.cat((root, linear), dim=-1) @ F.softplus(self.inner).T
        level, rising = units.chunk(2, dim=-1)
        total = torch.cat((torch.tanh(level), rising), dim=-1) @ F.softplus(self.outer)
        return total / (1.0 + total)
