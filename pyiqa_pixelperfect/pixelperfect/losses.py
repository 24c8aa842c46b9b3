"""The losses of Pixel Perfect (Khan et al., arXiv 2605.02863), each a pure function of tensors.

The constants (weight 10, beta 0.05, margin 1.0, temperature 0.07) are the paper's. Their exact roles are not public;
the readings taken here are stated with each function.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["family_loss", "hinge_loss", "info_nce", "map_loss", "map_target"]

FAINTEST = 0.1  # amount from which a cell has a family to be told
LEAD = 1.5  # by which the strongest family of a cell must lead, or none is the right one
FLOOR = 0.1  # what amounts are raised by, so that a cell in which nothing was found yet has a bounded gradient


def map_target(image_amounts: Tensor, reference_amounts: Tensor | None, stride: int) -> Tensor:
    """The map that the network should predict for a pair.

    Args:
        image_amounts: (B, K, H, W) amounts of the image.
        reference_amounts: amounts of the reference, same shape; ``None`` = clean.
        stride: pixels per map cell; a cell holds the mean of its pixels.

    Returns:
        (B, K, ceil(H/stride), ceil(W/stride)) in [0, 1]: half the clipped difference of the amounts, around 0.5.
    """
    difference = image_amounts if reference_amounts is None else image_amounts - reference_amounts
    cells = F.avg_pool2d(difference.clamp(-1.0, 1.0), stride, ceil_mode=True)
    return 0.5 + 0.5 * cells


def map_loss(prediction: Tensor, target: Tensor, *, weight_high: float = 10.0, beta: float = 0.05) -> Tensor:
    """Weighted mean squared error of distortion maps.

    Cells whose target differs from 0.5 by more than ``beta`` weigh ``weight_high``, the others 1; without it the
    network learns to answer 0.5 everywhere. (That ``beta`` is such a threshold is our reading of the paper.)

    Args:
        prediction: (B, K, h, w) in [0, 1].
        target: same shape, in [0, 1].
        weight_high: weight of distorted cells.
        beta: distance from 0.5 above which a cell counts as distorted.

    Returns:
        Scalar: the mean over all cells of weight times squared error.
    """
    # Filled rather than chosen between two numbers, which would be float32 whatever the target is.
    weight = torch.ones_like(target).masked_fill_((target - 0.5).abs() > beta, weight_high)
    return (weight * (prediction - target).square()).mean()


def family_loss(prediction: Tensor, target: Tensor, *, sharpness: float = 3.0) -> Tensor:
    """Cross-entropy of the strongest family of each distorted cell (ours).

    Squared error is content with a family that is a little behind a wrong one; this asks for the right one to lead.
    It looks at the proportions of amounts, ``p_k ~ (|2F - 1| + 0.1)^sharpness``, so it has little to gain from amounts
    that are too large. Cells count in which one family is there by at least 0.1 and leads the next by half.

    Args:
        prediction: (B, K, h, w) in [0, 1], K at least 2.
        target: same shape, in [0, 1].
        sharpness: power of the amounts.

    Returns:
        Scalar: the mean over the cells that count; 0 if there are none.
    """
    logits = sharpness * ((2.0 * prediction - 1.0).abs() + FLOOR).log()
    amounts, families = (2.0 * target - 1.0).abs().topk(2, dim=1)
    told = (amounts[:, 0] >= FAINTEST) & (amounts[:, 0] >= LEAD * amounts[:, 1])
    costs = F.cross_entropy(logits, families[:, 0], reduction="none") * told
    return costs.sum() / told.sum().clamp_min(1)


def hinge_loss(better: Tensor, worse: Tensor, *, margin: float | Tensor = 1.0) -> Tensor:
    """Mean of ``max(0, margin - (better - worse))`` over ordered pairs.

    Args:
        better: scores of the better members of the pairs, any shape.
        worse: scores of the worse members, same shape.
        margin: difference from which a pair costs nothing; one number, or one for each pair.

    Returns:
        Scalar.
    """
    return F.relu(margin - (better - worse)).mean()


def info_nce(anchors: Tensor, positives: Tensor, *, temperature: float = 0.07) -> Tensor:
    """Symmetric InfoNCE (van den Oord et al., arXiv 1807.03748, equation 4) over unit vectors.

    Row i of ``anchors`` and row i of ``positives`` belong together (our choice: different photos, same distortions at
    the same rank); all other rows are negatives.

    Args:
        anchors: (N, D) unit vectors.
        positives: (N, D) unit vectors.
        temperature: divides the cosines.

    Returns:
        Scalar: mean cross-entropy of finding the positive for each anchor and the anchor for each positive.
    """
    logits = anchors @ positives.T / temperature
    labels = torch.arange(len(anchors), device=anchors.device)
    return 0.5 * (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels))
