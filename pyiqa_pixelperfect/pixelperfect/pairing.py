"""From pictures to what the score reads: maps, statistics and dissimilarity of pairs, whole or tile by tile.

Nothing is computed twice: a picture that stands beside many is encoded and described once.
"""

from collections.abc import Collection, Sequence
from typing import TypeAlias

from torch import Tensor

from pyiqa_pixelperfect.pictures import Picture, return_memory
from pyiqa_pixelperfect.pixelperfect.dissimilarity import dissimilarity, view_of
from pyiqa_pixelperfect.pixelperfect.picture_statistics import picture_statistics
from pyiqa_pixelperfect.pixelperfect.score_network import PairDescription, describe_pairs
from pyiqa_pixelperfect.pixelperfect.tiling import CellMap, CellMeans, TiledNetwork, encode_tile, fuse_tile, tiles_of

__all__ = ["Pair", "describe", "describe_all", "unlike_in"]

Pair: TypeAlias = tuple[int, int]
"""Positions of an image and of its reference among some pictures."""


def describe(
    network: TiledNetwork, image: Picture, reference: Picture, tile: int | None = None
) -> tuple[PairDescription, Tensor]:
    """Describe B pairs.

    Args:
        network: the map network.
        image: B pictures, or one of them expanded to B.
        reference: likewise, of the same size.
        tile: side of tiles, px; ``None`` for the whole picture at once.

    Returns:
        The descriptions, and the logits of the maps, (B, K, ceil(H/4), ceil(W/4)).
    """
    statistics = [picture_statistics(side.distinct()).expand(len(side), -1) for side in (image, reference)]
    unlike = unlike_in(image, reference)
    means, whole = CellMeans(), CellMap(image.shape)
    for part in tiles_of(image.height, image.width, network, tile):
        first, second = encode_tile(network, (image, reference), part)
        logits = fuse_tile(network, first, second, part)
        means.add(describe_pairs(logits, statistics[0], statistics[1], unlike), logits[0, 0].numel())
        whole.add(logits, part)
        if tile:
            return_memory()
    return means.joined(), whole.joined()


def unlike_in(image: Picture, reference: Picture) -> Tensor:
    """How unlike pairs are, (B, DISSIMILARITIES); arguments as of ``describe``."""
    return dissimilarity(*(view_of(side.distinct()) for side in (image, reference))).expand(len(image), -1)


def describe_all(
    network: TiledNetwork,
    pictures: Sequence[Picture],
    pairs: Sequence[Pair],
    shown: Collection[Pair],
    tile: int | None = None,
) -> tuple[list[PairDescription], dict[Pair, Tensor]]:
    """Describe pairs of some pictures.

    Args:
        network: the map network.
        pictures: single pictures of one size.
        pairs: positions of image and reference.
        shown: those of the pairs whose maps are wanted.
        tile: as for ``describe``.

    Returns:
        A description of each pair, and the logits of the maps of those that are shown.
    """
    statistics = [picture_statistics(picture) for picture in pictures]
    views = [view_of(picture) for picture in pictures]
    unlike = [dissimilarity(views[i], views[j]) for i, j in pairs]
    del views  # of large pictures: room for tiles
    means, maps = [CellMeans() for _ in pairs], {pair: CellMap(pictures[0].shape) for pair in shown}
    for part in tiles_of(pictures[0].height, pictures[0].width, network, tile):
        pyramids = [encode_tile(network, [picture], part)[0] for picture in pictures]
        for (i, j), apart, mean in zip(pairs, unlike, means, strict=True):
            logits = fuse_tile(network, pyramids[i], pyramids[j], part)
            mean.add(describe_pairs(logits, statistics[i], statistics[j], apart), logits[0, 0].numel())
            if (i, j) in maps:
                maps[i, j].add(logits, part)
    return [mean.joined() for mean in means], {pair: whole.joined() for pair, whole in maps.items()}
