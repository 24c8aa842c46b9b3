"""A figure without labels: does the score fall from clean to mild to strong on photos that training never saw?"""

from pathlib import Path

import torch
from torch import Tensor

from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.version_sets import VersionSettings, draw_versions
from pyiqa_pixelperfect.images import read_image

__all__ = ["ordered_pairs", "ordered_share"]


def ordered_pairs(settings: VersionSettings) -> Tensor:
    """Pairs (better, worse) of versions in a set whose order is known: (N, 2), clean or milder first."""
    steps = len(settings.levels)
    pairs = []
    for kind in range(settings.types):
        climb = [0, *range(1 + kind * steps, 1 + (kind + 1) * steps)]
        pairs += [(climb[low], climb[high]) for high in range(len(climb)) for low in range(high)]
    return torch.tensor(pairs)


@torch.no_grad()
def ordered_share(
    metric: GRepQ, photos: list[Path], settings: VersionSettings, count: int, seed: int
) -> dict[str, float]:
    """Score version sets of held-out photos.

    Args:
        metric: to judge; its mode is left as it is.
        photos: held-out photos.
        settings: what the versions are drawn from; the numbers of the sets are negative, which training never uses.
        count: at most this many photos, spread over the list.
        seed: of the run.

    Returns:
        ``ordered``, the share of pairs with known order in which the better one has the higher score, and ``clean``,
        the mean score of the clean photos.
    """
    step = max(1, len(photos) // count)
    pairs = ordered_pairs(settings)
    right, clean = [], []
    for number, photo in enumerate(photos[::step][:count]):
        versions = draw_versions(read_image(photo), settings, -1 - number, seed)
        scores = torch.cat([metric(version.to(metric.pristine_mean.device)).cpu() for version in versions.split(1)])
        right.append((scores[pairs[:, 0]] > scores[pairs[:, 1]]).float().mean())
        clean.append(scores[0])
    return {"ordered": float(torch.stack(right).mean()), "clean": float(torch.stack(clean).mean())}
