"""The losses of GRepQ (Srinath et al., WACV 2024, arXiv 2312.04838), each a pure function of tensors."""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["group_contrastive_loss", "pseudo_labels", "quality_weights", "weighted_contrastive_loss"]


def quality_weights(similarity: Tensor) -> Tensor:
    """Weights of pairs by how alike they look: ``2 - 2 / (1 + FSIM^2)``.

    Args:
        similarity: FSIM of pairs, any shape; piq's can exceed 1 a little, which counts as 1.

    Returns:
        Same shape, in [0, 1]: 1 for equal pictures, 0 for those that share nothing.
    """
    return 2.0 - 2.0 / (1.0 + similarity.clamp(0.0, 1.0).square())


def weighted_contrastive_loss(
    anchors: Tensor, others: Tensor, weights: Tensor, *, temperature: float = 0.5, cross_content: bool = False
) -> Tensor:
    """Quality-aware contrastive loss of the low-level branch, over versions of the same photo and both ways.

    Version i of a photo is drawn to all versions j of it by their weights:
    ``-log(sum_j w_ij exp(s_ij) / sum_j exp(s_ij))`` with ``s`` the cosine over the temperature; the mean over rows plus
    the mean over columns. A version and its own other view (j = i) have weight 1.

    Args:
        anchors: (P, V, D) features of one view of V versions of P photos; normalized here.
        others: (P, V, D) features of another view of the same.
        weights: (P, V, V) in [0, 1], as of ``quality_weights``.
        temperature: divides the cosines.
        cross_content: let the versions of all other photos stand in the denominator too, as pairs of weight 0 (ours;
            in the original, contrast never leaves one photo).

    Returns:
        Scalar.
    """
    photos, versions, _ = anchors.shape
    one, other = F.normalize(anchors, dim=-1), F.normalize(others, dim=-1)
    # A weight of 0 is a logarithm of -infinity, which logsumexp passes over; the diagonal keeps every row finite.
    log_weights = weights.log()
    if not cross_content:
        logits = one @ other.transpose(1, 2) / temperature
        return _share_loss(logits, log_weights, 2) + _share_loss(logits, log_weights, 1)
    logits = one.flatten(0, 1) @ other.flatten(0, 1).T / temperature
    spread = logits.new_full((photos, versions, photos, versions), -torch.inf)
    block = torch.arange(photos, device=logits.device)
    spread[block, :, block] = log_weights.to(logits.dtype)
    spread = spread.reshape(logits.shape)
    return _share_loss(logits, spread, 1) + _share_loss(logits, spread, 0)


def _share_loss(logits: Tensor, log_weights: Tensor, dim: int) -> Tensor:
    return (torch.logsumexp(logits, dim) - torch.logsumexp(logits + log_weights, dim)).mean()


def pseudo_labels(features: Tensor, prompts: Tensor, *, temperature: float = 0.1) -> Tensor:
    """How much closer images are to the good prompt than to the bad one.

    Args:
        features: (N, D) image features.
        prompts: (2, D) features of the good prompt and the bad one.
        temperature: divides the difference of the cosines.

    Returns:
        (N,) in (0, 1): the logistic function of that; higher is better.
    """
    cosines = F.normalize(features, dim=-1) @ F.normalize(prompts, dim=-1).T
    return torch.sigmoid((cosines[:, 0] - cosines[:, 1]) / temperature)


def group_contrastive_loss(features: Tensor, labels: Tensor, *, group: int = 4, temperature: float = 0.5) -> Tensor:
    """Group-contrastive loss of the high-level branch: the best of a batch belong together, and so do the worst.

    For each member of a group, ``-log(exp(p) / (exp(p) + sum_k exp(n_k)))``: p is its mean similarity to the other
    members of its group, n_k its similarity to each member of the other group; similarities are cosines over the
    temperature. The mean over both groups.

    Args:
        features: (N, D), N at least twice the group; normalized here.
        labels: (N,), higher is better; of equal labels the earlier image comes first.
        group: images in each group, at least 2 (the original: a 32nd of a batch of 128).
        temperature: divides the cosines.

    Returns:
        Scalar.
    """
    order = labels.detach().argsort(descending=True, stable=True)
    unit = F.normalize(features, dim=-1)
    best, worst = unit[order[:group]], unit[order[len(order) - group :]]
    return 0.5 * (_group_loss(best, worst, temperature) + _group_loss(worst, best, temperature))


def _group_loss(own: Tensor, opposite: Tensor, temperature: float) -> Tensor:
    within = own @ own.T / temperature
    positive = (within.sum(1) - within.diagonal()) / (len(own) - 1)
    negatives = own @ opposite.T / temperature
    every = torch.cat((positive.unsqueeze(1), negatives), dim=1)
    return (torch.logsumexp(every, dim=1) - positive).mean()
