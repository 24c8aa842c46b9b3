"""The loss of CONTRIQUE (arXiv 2110.13266, section III), a pure function of tensors."""

import torch
from torch import Tensor

__all__ = ["supervised_nt_xent"]


def supervised_nt_xent(embeddings: Tensor, classes: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Normalized temperature-scaled cross-entropy with any number of positives.

    For each row the logarithm of the summed exponentials of its similarities to all other rows, minus the mean of its
    similarities to the other rows of its class; similarity is the cosine over ``temperature``.

    Args:
        embeddings: (N, D), any length; they are brought to unit length here.
        classes: (N,) whole numbers.
        temperature: divides the cosines.

    Returns:
        Scalar: the mean over rows that are not the only one of their class; 0 if there are none.
    """
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    similarity = unit @ unit.T / temperature
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    alike = (classes[:, None] == classes[None]) & ~itself
    # Not minus infinity, which a row that is alone in its batch would turn into NaN.
    others = similarity.masked_fill(itself, torch.finfo(similarity.dtype).min).logsumexp(dim=1)
    count = alike.sum(dim=1)
    positives = (similarity * alike).sum(dim=1) / count.clamp_min(1)
    chosen = (count > 0).to(similarity.dtype)
    return ((others - positives) * chosen).sum() / chosen.sum().clamp_min(1.0)
