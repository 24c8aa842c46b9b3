"""One opinion of which of two pictures is better: a small network over what is known of the pair.

``RelationalScoreNet`` asks several of them, which differ in nothing but their initial weights and in what dropout hid
from them, and takes the mean (a deep ensemble, Lakshminarayanan et al., NeurIPS 2017). Where pairs are like those that
were learned from they agree; where they are not, each errs in its own way.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["VerdictNet"]


class VerdictNet(nn.Module):
    """Lead of the image over the reference, ``u(a, b) - u(b, a)`` with ``u`` a network of two layers.

    Args:
        turning: number of clues whose sign a swapped pair turns.
        alike: number of clues that stay the same.
        hidden: width of the two layers.
        embedding: length of the vector that the contrastive loss compares.
        dropout: chance that a hidden number is left out in training.
    """

    def __init__(self, turning: int, alike: int, hidden: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Dropout(dropout / 2),
            nn.Linear(turning + alike, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout / 2),
        )
        self.head = nn.Linear(hidden, 1, bias=False)  # a bias would cancel in u(a, b) - u(b, a)
        self.project = nn.Linear(hidden, embedding)

    def forward(self, turning: Tensor, alike: Tensor) -> Tensor:
        """What tells the image from the reference by the clues of B pairs, (B, hidden): the negative if swapped."""
        # One after the other: rows of one product may be rounded differently, and the sum of both orders not be 0.
        forth, back = (self.trunk(torch.cat((clues, alike), dim=1)) for clues in (turning, -turning))
        return torch.sub(forth, back)

    def lead(self, relation: Tensor) -> Tensor:
        """``u(a, b) - u(b, a)``, (B,): positive where the image is better, 1 and more where that is sure."""
        lead: Tensor = self.head(relation).squeeze(1)
        return lead

    def embed(self, relation: Tensor) -> Tensor:
        """Unit vectors (..., E) that describe relations (..., hidden) of images to their references, for InfoNCE."""
        return F.normalize(self.project(relation), dim=-1)
