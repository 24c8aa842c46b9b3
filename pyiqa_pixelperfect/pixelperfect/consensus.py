"""Which of two distorted photos is worse, where several closed-form metrics agree (discriminable pairs, dipIQ).

Orders known by construction say nothing about the exchange rate between families: is this blur worse than that noise?
Closed-form metrics were designed, not trained on ratings, and where all of them agree they are mostly right (Ma et al.,
dipIQ, IEEE TIP 2017). Where they do not, nothing is learned.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from pyiqa_pixelperfect.distortions.ranked import RankedSets
from pyiqa_pixelperfect.errors import MissingDependencyError

__all__ = ["TEACHERS", "consensus_votes", "load_teachers", "ranked_votes"]

Teacher = Callable[[Tensor, Tensor], Tensor]

#: Functions of piq by the names that configurations use, and whether a higher value is better.
TEACHERS: Mapping[str, tuple[str, bool]] = MappingProxyType(
    {
        "fsim": ("fsim", True),
        "gmsd": ("gmsd", False),
        "haarpsi": ("haarpsi", True),
        "mdsi": ("mdsi", False),
        "vsi": ("vsi", True),
    }
)


def load_teachers(names: Sequence[str]) -> list[Teacher]:
    """Closed-form metrics ``(images, references) -> (B,)``, each turned so that higher is better.

    Args:
        names: of ``TEACHERS``.

    Raises:
        MissingDependencyError: there are names, and piq is not there.
    """
    if not names:
        return []
    try:
        import piq
    except ImportError as error:
        fix = "Install it (pip install piq), or train with score.teachers=[] and score.weight_consensus=0."
        raise MissingDependencyError("score.teachers", "piq, whose metrics they are", str(error), fix) from error
    return [_turned(getattr(piq, TEACHERS[name][0]), TEACHERS[name][1]) for name in names]


def _turned(function: Callable[..., Tensor], higher_is_better: bool) -> Teacher:
    sign = 1.0 if higher_is_better else -1.0

    def teacher(images: Tensor, references: Tensor) -> Tensor:
        return sign * function(images, references, data_range=1.0, reduction="none")

    return teacher


@torch.no_grad()
def consensus_votes(teachers: Sequence[Teacher], images: Tensor, others: Tensor, references: Tensor) -> Tensor:
    """Compare two distorted versions of the same photos.

    Args:
        teachers: from ``load_teachers``.
        images: (N, 3, H, W) in [0, 1].
        others: same shape.
        references: same shape, the clean photos of both.

    Returns:
        (N,): 1 where every teacher finds the image better than the other, -1 where every one finds it worse, else 0.
    """
    both = torch.cat((images, others))
    signs = []
    for teacher in teachers:
        first, second = teacher(both, references.repeat(2, 1, 1, 1)).chunk(2)
        signs.append((first - second).sign())
    total = torch.stack(signs).sum(0)
    return torch.where(total.abs() == len(teachers), total.sign(), torch.zeros_like(total))


def ranked_votes(sets: RankedSets, teachers: Sequence[Teacher]) -> Tensor:
    """Votes (N,) on the pairs of ``sets.unordered()``; all 0 without teachers."""
    image, other = sets.unordered()
    if not teachers or not len(image):
        return sets.images.new_zeros(len(image))
    clean = image % sets.photos
    return consensus_votes(teachers, sets.images[image], sets.images[other], sets.images[clean])
