"""From pictures to what the score reads: maps, statistics and dissimilarity of pairs, whole or tile by tile.

Nothing is computed twice: a picture that stands beside many is encoded and described once.
"""

from collections.abc import Sequence

from torch import Tensor

from pyiqa_pixelperfect.pictures import Picture, return_memory
from pyiqa_pixelperfect.pixelperfect.dissimilarity import dissimilarity, view_of
from pyiqa_pixelperfect.pixelperfect.picture_statistics import picture_statistics
from pyiqa_pixelperfect.pixelperfect.score_network import PairDescription, describe_pairs
from pyiqa_pixelperfect.pixelperfect.tiling import CellMap, CellMeans, TiledNetwork, encode_tile, fuse_tile, tiles_of

__all__ = ["describe", "describe_all", "unlike_in"]


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
    network: TiledNetwork, pictures: Sequence[Picture], pairs: Sequence[tuple[int, int]], tile: int | None = None
) -> tuple[list[PairDescription], list[Tensor]]:
    """Describe pairs of some pictures.

    Args:
        network: the map network.
        pictures: single pictures of one size.
        pairs: positions of image and reference.
        tile: as for ``describe``.

    Returns:
        A description of each pair, and the logits of the maps of each picture but the last against the last, as far as
        these are among the pairs.
    """
    statistics = [picture_statistics(picture) for picture in pictures]
    views = [view_of(picture) for picture in pictures]
    unlike = [dissimilarity(views[i], views[j]) for i, j in pairs]
    del views  # of large pictures: room for tiles
    means, last = [CellMeans() for _ in pairs], len(pictures) - 1
    maps = {i: CellMap(pictures[i].shape) for i, j in pairs if j == last}
    for part in tiles_of(pictures[0].height, pictures[0].width, network, tile):
        pyramids = [encode_tile(network, [picture], part)[0] for picture in pictures]
        for (i, j), apart, pair in zip(pairs, unlike, means, strict=True):
            logits = fuse_tile(network, pyramids[i], pyramids[j], part)
            pair.add(describe_pairs(logits, statistics[i], statistics[j], apart), logits[0, 0].numel())
            if j == last:
                maps[i].add(logits, part)
    return [pair.joined() for pair in means], [maps[i].joined() for i in sorted(maps)]
