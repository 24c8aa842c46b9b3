"""Gaussians of patch features and how far two of them are apart: the opinion-unaware score, as NIQE measures it.

NIQE: Mittal, Soundararajan, Bovik, IEEE Signal Processing Letters 20 (3), 2013. GRepQ (arXiv 2312.04838) keeps its
distance and takes learned features instead.
"""

import torch
from torch import Tensor

__all__ = ["RIDGE", "deviation", "deviation_score", "fit_gaussian"]

RIDGE = 0.001  # of the official code: added to the diagonal, since a picture has fewer patches than features


def fit_gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and sample covariance.

    Args:
        features: (..., N, D), N at least 2.

    Returns:
        (..., D) and (..., D, D), with N - 1 in the denominator.
    """
    mean = features.mean(dim=-2)
    centered = features - mean.unsqueeze(-2)
    return mean, centered.transpose(-1, -2) @ centered / (features.shape[-2] - 1)


def deviation(mean: Tensor, covariance: Tensor, pristine_mean: Tensor, pristine_covariance: Tensor) -> Tensor:
    """Distance of a picture's Gaussian from the pristine one.

    Args:
        mean: (B, D) of pictures.
        covariance: (B, D, D) of pictures.
        pristine_mean: (D,).
        pristine_covariance: (D, D).

    Returns:
        (B,): ``sqrt(d^T ((C + C_pristine) / 2 + 0.001 I)^-1 d)`` with d the difference of the means; 0 = as pristine.
    """
    difference = (mean - pristine_mean).unsqueeze(-1)
    pooled = 0.5 * (covariance + pristine_covariance)
    pooled = pooled + RIDGE * torch.eye(pooled.shape[-1], dtype=pooled.dtype, device=pooled.device)
    square = (difference * torch.cholesky_solve(difference, torch.linalg.cholesky(pooled))).sum(dim=(-1, -2))
    return square.clamp_min(torch.finfo(square.dtype).tiny).sqrt()  # the root has no slope at 0


def deviation_score(distance: Tensor) -> Tensor:
    """Score in (0, 0.5] of a distance, higher is better: ``1 - sigmoid(distance / 100)``."""
    return torch.sigmoid(-distance / 100.0)
