"""Large pictures tile by tile, with the same result as all at once.

The map network only ever looks so far: a cell of the maps depends on ``context`` pixels around it and on nothing else.
So a tile is encoded together with that much of its surroundings, and only the cells of the tile itself are kept. They
equal those of the whole picture up to rounding: there are no seams. What the score needs beside the cells are means
over the whole picture, which add up over tiles and strips.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from pyiqa_pixelperfect.errors import ImageError
from pyiqa_pixelperfect.pictures import Picture
from pyiqa_pixelperfect.pixelperfect.map_cells import MAP_STRIDE
from pyiqa_pixelperfect.pixelperfect.score_network import PairDescription

__all__ = ["CellMap", "CellMeans", "Tile", "TiledNetwork", "encode_tile", "fuse_tile", "tile_side", "tiles_of"]

Pyramid: TypeAlias = Sequence[Tensor]

WHOLE = 2**22  # pixels of the largest picture that is encoded at once
# px, sides of the tiles of larger ones, without their surroundings: the longer, the less is encoded twice, and the more
# memory a tile takes. Above 16 megapixels, pictures and maps fill that.
LONG_TILE, TILE = 1536, 768
LONG_UP_TO = 2**24  # pixels
SMALLEST = 64  # px


class TiledNetwork(Protocol):
    """What tiling asks of a map network."""

    @property
    def context(self) -> int:
        """Pixels around a tile that its cells depend on."""

    @property
    def alignment(self) -> int:
        """Tiles begin at multiples of so many pixels."""

    def encode(self, images: Tensor) -> list[Tensor]:
        """Feature pyramids of (B, 3, H, W) images."""

    def fuse(self, image: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
        """Logits of the maps, (B, K, h, w), of two pyramids; padding is still there."""


class Tile(NamedTuple):
    """A rectangle of a picture, in pixels, and the larger one that it is encoded with."""

    rows: slice
    columns: slice
    outer_rows: slice
    outer_columns: slice

    @property
    def cells(self) -> tuple[slice, slice]:
        """Cells of the whole map that are the tile's."""
        return _cells(self.rows, 0), _cells(self.columns, 0)

    @property
    def inner_cells(self) -> tuple[slice, slice]:
        """The same among the cells of the larger rectangle."""
        return _cells(self.rows, self.outer_rows.start), _cells(self.columns, self.outer_columns.start)


def _cells(pixels: slice, start: int) -> slice:
    return slice((pixels.start - start) // MAP_STRIDE, -(-(pixels.stop - start) // MAP_STRIDE))


def tile_side(height: int, width: int, context: int, *, pictures: int = 2) -> int | None:
    """Side of the tiles that a picture is cut into, px; ``None`` if it stays whole.

    It does if it is small enough, or if tiles would need more surroundings than they have pixels. Of more than two
    pictures the features of a tile are in memory at once, so tiles stay short.
    """
    side = LONG_TILE if height * width <= LONG_UP_TO and pictures <= 2 else TILE
    return None if height * width <= WHOLE or 2 * context > side else side


def tiles_of(height: int, width: int, network: TiledNetwork, tile: int | None) -> list[Tile]:
    """Cover a picture with tiles.

    Args:
        height: of the picture, px.
        width: likewise.
        network: says how much surroundings a tile needs.
        tile: largest side of a tile, px; ``None`` for the whole picture in one.

    Raises:
        ImageError: ``tile`` is smaller than 64.
    """
    if tile is None:
        whole = slice(0, height), slice(0, width)
        return [Tile(*whole, *whole)]
    if tile < max(SMALLEST, network.alignment):
        expected = f"at least {max(SMALLEST, network.alignment)} pixels"
        raise ImageError("tile", expected, str(tile), "Leave it out to have it chosen.")
    rows = list(_spans(height, tile, network))
    return [
        Tile(row, column, outer_row, outer_column)
        for row, outer_row in rows
        for column, outer_column in _spans(width, tile, network)
    ]


def _spans(length: int, tile: int, network: TiledNetwork) -> Iterator[tuple[slice, slice]]:
    """Parts of about equal length, and each with its surroundings."""
    count = -(-length // tile)
    step = -(-length // (count * network.alignment)) * network.alignment
    context = -(-network.context // network.alignment) * network.alignment
    for start in range(0, length, step):
        end = min(start + step, length)
        yield slice(start, end), slice(max(0, start - context), min(length, end + context))


def encode_tile(network: TiledNetwork, pictures: Sequence[Picture], tile: Tile) -> list[Pyramid]:
    """Feature pyramid of a tile, with its surroundings, of each of some pictures of one size.

    A batch that shows one picture throughout is encoded once, and its pyramid is that of a batch of one.
    """
    distinct = [picture.distinct() for picture in pictures]
    parts = (picture.part(tile.outer_rows, tile.outer_columns) for picture in distinct)
    # Nothing has a name here but the pyramid: what has one stays in memory.
    pyramid = network.encode(torch.cat(tuple(parts)))
    split = [level.split([len(picture) for picture in distinct]) for level in pyramid]
    return [list(pyramid) for pyramid in zip(*split, strict=True)]


def fuse_tile(network: TiledNetwork, image: Pyramid, reference: Pyramid, tile: Tile) -> Tensor:
    """Logits of the maps of a tile, (B, K, h, w), without its surroundings, from the pyramids of both sides."""
    count = max(len(image[0]), len(reference[0]))
    sides = [[level.expand(count, -1, -1, -1) for level in side] for side in (image, reference)]
    rows, columns = tile.inner_cells
    return network.fuse(*sides)[:, :, rows, columns]


class CellMap:
    """Cells of all tiles side by side, for pictures of shape ``size`` (B, 3, H, W)."""

    def __init__(self, size: Sequence[int]) -> None:
        self._cells = [-(-side // MAP_STRIDE) for side in size[-2:]]
        self._whole: Tensor | None = None

    def add(self, cells: Tensor, tile: Tile) -> None:
        """Add (B, K, h, w) of one tile."""
        if list(cells.shape[2:]) == self._cells:  # of the only one
            self._whole = cells
            return
        if self._whole is None:
            self._whole = cells.new_empty(*cells.shape[:2], *self._cells)
        self._whole[:, :, tile.cells[0], tile.cells[1]] = cells

    def joined(self) -> Tensor:
        """All cells, (B, K, ceil(H/4), ceil(W/4)).

        Raises:
            ValueError: no tile was added.
        """
        if self._whole is None:
            raise ValueError("a picture has at least one tile")
        return self._whole


class CellMeans:
    """The description of pairs, gathered from their maps tile by tile."""

    def __init__(self) -> None:
        self._sum: PairDescription | None = None
        self._cells = 0

    def add(self, part: PairDescription, cells: int) -> None:
        """Add what one tile of so many cells says, with the statistics of the whole pictures."""
        before, self._cells = self._cells, self._cells + cells
        if self._sum is None:
            self._sum = part
            return
        # A running mean: nothing is kept of a tile, or memory would fill with crumbs.
        share = cells / (before + cells)
        mean, amounts = self._sum.mean.lerp(part.mean, share), self._sum.amounts.lerp(part.amounts, share)
        self._sum = self._sum._replace(mean=mean, amounts=amounts)

    def joined(self) -> PairDescription:
        """What all tiles say together.

        Raises:
            ValueError: no tile was added.
        """
        if self._sum is None:
            raise ValueError("a picture has at least one tile")
        return self._sum
