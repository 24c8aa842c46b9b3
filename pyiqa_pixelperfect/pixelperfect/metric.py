"""The metric a user holds: ``PixelPerfect`` joins both networks and speaks in pictures, scores and words.

torch only; pyiqa is not needed. Convention: always ``(image, reference)``; a positive score says that the image is
the better of the two, 0 that they are equal; a map above 0.5 says that the image has more of that family.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.images import ImageInput, as_picture, check_pair, match_pictures
from pyiqa_pixelperfect.pictures import Picture
from pyiqa_pixelperfect.pixelperfect.candidates import as_candidates
from pyiqa_pixelperfect.pixelperfect.comparison import Comparison
from pyiqa_pixelperfect.pixelperfect.map_cells import MAP_STRIDE, cells_to_pixels
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.pairing import Pair, describe, describe_all, unlike_in
from pyiqa_pixelperfect.pixelperfect.ranking import Ranking, least_beaten
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet
from pyiqa_pixelperfect.pixelperfect.stored import Precision, read_networks, write_networks
from pyiqa_pixelperfect.pixelperfect.tiling import tile_side
from pyiqa_pixelperfect.weights import bundled_weights

__all__ = ["PixelPerfect"]

_FOUND_EVERYWHERE = 1e-4  # amount that every place has at least, so that a score has a place even where maps are silent
_FULL_MAPS = 2**24  # pixels of the largest picture whose maps are brought to its full size: 56 bytes a pixel
_KEPT_MAPS = 2**26  # numbers in the maps of all pairs of a ranking that are kept until it is known which ones count
_ROWS = 16  # of cells of larger ones that are calibrated at a time


class PixelPerfect(nn.Module):
    """Relational full-reference quality with signed distortion maps (arXiv 2605.02863).

    Args:
        maps: the distortion-map network; by default one of the default size, untrained.
        score: the score network; likewise.
        seed: of the initial weights of networks that are not given.

    Attributes:
        families: names of the map channels.
        card: the model card of the weights, empty if untrained.
        lower_better: ``False``: a higher score means a better image.
    """

    lower_better = False

    def __init__(
        self, maps: DistortionMapNet | None = None, score: RelationalScoreNet | None = None, *, seed: int = 0
    ) -> None:
        super().__init__()
        with seeded_weights(seed):
            self.map_network = DistortionMapNet(len(FAMILIES)) if maps is None else maps
            self.score_network = RelationalScoreNet() if score is None else score
        self.families = FAMILIES
        self.card: dict[str, str] = {}
        self.eval()

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None, *, precision: Precision = "float32") -> "PixelPerfect":
        """Load weights, ready for use: evaluation mode, normalization folded, frozen.

        Args:
            path: a safetensors file from training; ``None`` = the weights that come with the package.
            precision: of the map network, where nearly all the time goes. ``"bfloat16"`` is two to three times as fast
                on processors that compute in it (AVX-512 BF16, AMX, GPUs), slow on others, and less exact: see the
                README. Anti-symmetry stays exact.

        Raises:
            ConfigError: another precision.
            WeightsError: no such file, damaged, or not weights of this network.
        """
        maps, score, card = read_networks(bundled_weights("pixelperfect") if path is None else path, precision)
        metric = cls(maps, score)
        metric.card = card
        return metric

    def save(self, path: str | os.PathLike[str], card: Mapping[str, str] | None = None, *, half: bool = True) -> None:
        """Write weights and card.

        Args:
            path: file to write.
            card: entries of the model card beside those of the network itself.
            half: store convolution kernels in fp16 (half the size); normalization statistics stay fp32.

        Raises:
            WeightsError: the normalization of this network is folded (it came from ``load``), so its layout is gone.
        """
        write_networks(path, self.map_network, self.score_network, card or {}, half=half)

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Score images against references; differentiable.

        Args:
            image: (B, 3, H, W) RGB in [0, 1], sides at least 32 px; gray (B, 1, H, W) works too.
            reference: same shape.

        Returns:
            (B,) scores in (-1, 1): > 0 = the image is better, 0 = equal, higher is better; ``S(a, b) = -S(b, a)``.

        Raises:
            ImageError: wrong type, rank, channels or size, not finite, or shapes that differ.
        """
        pair = _pictures(image, reference)
        score: Tensor = self.score_network(describe(self.map_network, *pair, self._tile_side(pair[0]))[0])
        return score

    def severity(self, image: Tensor, reference: Tensor) -> Tensor:
        """How bad the difference of two pictures looks, whichever is the better one; differentiable.

        It is the score without its verdict. Where the reference is known to be the original there is nothing to be
        decided, and ``-severity`` is the score to read. It needs no maps, so it takes a small part of the time.

        Args:
            image: as for ``forward``.
            reference: likewise.

        Returns:
            (B,) in [0, 1): 0 = equal, higher is worse; the same for (reference, image).

        Raises:
            ImageError: as ``forward``.
        """
        severity: Tensor = self.score_network.severity_network(unlike_in(*_pictures(image, reference)))
        return severity

    def maps(self, image: Tensor, reference: Tensor) -> Tensor:
        """Distortion maps ``F`` at full resolution, (B, K, H, W) in [0, 1]; arguments and errors as ``forward``."""
        pair = _pictures(image, reference)
        return self._maps(describe(self.map_network, *pair, self._tile_side(pair[0]))[1], pair[0].shape)

    def density(self, image: Tensor, reference: Tensor) -> Tensor:
        """Signed error density at full resolution, (B, 1, H, W): how much each place adds to the score.

        Its mean is the score (exactly so if the sides are multiples of 4). Arguments and errors as ``forward``.
        """
        pair = _pictures(image, reference)
        pairs, logits = describe(self.map_network, *pair)
        # The score is spread over the picture in the proportions of what the maps found, all families together.
        signed = 2.0 * self.map_network.maps_of(logits) - 1.0
        found = signed.abs().sum(1, keepdim=True) + _FOUND_EVERYWHERE
        cells = self.score_network(pairs).reshape(-1, 1, 1, 1) * found / found.mean((2, 3), keepdim=True)
        return cells_to_pixels(cells, pair[0].shape)

    @torch.no_grad()
    def compare(self, image: ImageInput, reference: ImageInput, *, tile: int | None = None) -> Comparison:
        """Compare two versions of a picture: score, maps and a summary in words.

        Large pictures are compared tile by tile, with the same result. Maps of pictures above 16 megapixels have one
        value per 4x4 pixels; ``Comparison.region`` gives any part of them in full.

        Args:
            image: tensor, PIL image or path.
            reference: likewise, of the same size. A single picture beside a batch is encoded once.
            tile: largest side of a tile, px; by default 1536 for pictures above 4 megapixels, 768 above 16, and no
                tiles below 4.

        Raises:
            ImageError: as ``forward``, or values outside [0, 1], or a tile below 64 px.
            ImageReadError: a path that is no readable picture.
        """
        first, second = match_pictures(self._read(image, "image"), self._read(reference, "reference"))
        pairs, logits = describe(self.map_network, first, second, tile or self._tile_side(first))
        return self._comparison(self.score_network(pairs), logits, first.shape)

    @torch.no_grad()
    def rank(
        self, candidates: Sequence[ImageInput], reference: ImageInput | None = None, *, tile: int | None = None
    ) -> Ranking:
        """Rank versions of a picture, best first, against a reference and against one another.

        Without a reference, the candidate that no other beats by much stands in for it: see ``ranking``. Every picture
        is encoded once; twice where there is no reference and the maps of all pairs would take more than 256 MiB.

        Args:
            candidates: at least one picture, each of the size of the reference.
            reference: one picture; ``None`` if the original is not at hand.
            tile: as for ``compare``.

        Raises:
            ImageError: no candidates, or as ``compare``.
        """
        pictures = [self._at_hand(picture) for picture in as_candidates(candidates, reference)]
        count, size = len(candidates), pictures[0].shape
        # Each against those after it, a reference being the last: the other half follows from anti-symmetry.
        pairs = [(i, j) for j in range(len(pictures)) for i in range(j)]
        few = len(pairs) * len(self.families) * size[-2] * size[-1] <= _KEPT_MAPS * MAP_STRIDE**2
        shown = pairs[-count:] if reference is not None else pairs if few else []
        pairwise, cells = self._pairwise(pictures, pairs, shown, tile)
        against = least_beaten(pairwise) if reference is None else count
        missing = [pair for pair in pairs if against in pair and pair not in cells]
        if missing:
            cells = self._pairwise(pictures, missing, missing, tile)[1]
        scores = pairwise[:count, against]
        order = sorted(range(count), key=lambda i: -scores[i].item())
        summaries = []
        for i in range(count):
            logits = self._logits(cells, i, against, size)
            summaries.append(self._comparison(scores[i : i + 1], logits, size).summary())
        return Ranking(order, scores, pairwise[:count, :count], summaries, against if reference is None else None)

    def compile(self, *args: Any, **options: Any) -> None:
        """Compile in place what takes most of the time, encoder and decoder, by ``torch.compile``.

        Answers stay the same up to rounding. The first call takes a minute or so, as does the first at another size,
        and what is gained depends on the machine: measure it. On the CPU torch needs a C++ compiler for it.

        Args:
            args: of ``torch.compile``.
            options: likewise, such as ``backend`` or ``dynamic``.
        """
        self.map_network.encoder.compile(*args, **options)
        self.map_network.decoder.compile(*args, **options)

    def _pairwise(
        self, pictures: Sequence[Picture], pairs: Sequence[Pair], shown: Sequence[Pair], tile: int | None
    ) -> tuple[Tensor, dict[Pair, Tensor]]:
        """(N, N) scores of row against column of the pairs, 0 for others, and the logits of those that are shown."""
        tile = tile or self._tile_side(pictures[0], len(pictures))
        described, cells = describe_all(self.map_network, pictures, pairs, shown, tile)
        pairwise = torch.zeros(len(pictures), len(pictures), device=self.map_network.head.weight.device)
        for (i, j), part in zip(pairs, described, strict=True):
            score = self.score_network(part)[0]
            pairwise[i, j], pairwise[j, i] = score, -score
        return pairwise, cells

    def _logits(self, cells: dict[Pair, Tensor], i: int, j: int, size: torch.Size) -> Tensor:
        """Those of ``i`` against ``j``, taken out of the ones of each against those after it."""
        if i == j:
            sides = (-(-side // MAP_STRIDE) for side in size[-2:])
            return torch.zeros(1, len(self.families), *sides, device=self.map_network.head.weight.device)
        return cells.pop((i, j)) if i < j else cells.pop((j, i)).neg_()

    def _comparison(self, score: Tensor, logits: Tensor, size: torch.Size) -> Comparison:
        height, width = size[-2:]
        if height * width > _FULL_MAPS:
            for rows in logits.split(_ROWS, dim=2):  # in place, a few at a time: what lies between takes memory
                rows.copy_(self.map_network.maps_of(rows))
            return Comparison(score, logits, self.families, MAP_STRIDE, (height, width))
        return Comparison(score, self._maps(logits, size), self.families, size=(height, width))

    def _read(self, picture: ImageInput, argument: str) -> Picture:
        return self._at_hand(as_picture(picture, argument))

    def _at_hand(self, picture: Picture) -> Picture:
        return picture.to(self.map_network.head.weight.device)

    def _tile_side(self, picture: Picture, pictures: int = 2) -> int | None:
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return None  # gradients need the whole picture anyway, and compilers no loop
        return tile_side(picture.height, picture.width, self.map_network.context, pictures=pictures)

    def _maps(self, logits: Tensor, size: torch.Size) -> Tensor:
        return cells_to_pixels(self.map_network.maps_of(logits), size).contiguous()


def _pictures(image: Tensor, reference: Tensor) -> tuple[Picture, Picture]:
    """Tensors that may leave the range a little, as those under optimization do."""
    first, second = check_pair(image, reference, check_range=False)
    return Picture(first), Picture(second)
