"""What a run reports about itself: figures and preview pictures on held-out photos, the same in every run."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.data.crops import CropDataset, StepSampler, crop_loader
from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.ranked import ranked_sets
from pyiqa_pixelperfect.distortions.versions import Versions, distorted_versions
from pyiqa_pixelperfect.errors import MissingDependencyError
from pyiqa_pixelperfect.pixelperfect.config import PixelPerfectConfig
from pyiqa_pixelperfect.pixelperfect.consensus import judge_versions
from pyiqa_pixelperfect.pixelperfect.described import describe_sets
from pyiqa_pixelperfect.pixelperfect.losses import map_target
from pyiqa_pixelperfect.pixelperfect.map_cells import MAP_STRIDE
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.map_stage import map_figures, mean_figures
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet
from pyiqa_pixelperfect.pixelperfect.score_stage import ordered_share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["HeldOut", "require_previews"]

_SEED = 20_260_502  # of held-out crops and their distortions: the same in every run, so runs compare
_BATCH = 32  # crops


def require_previews() -> None:
    """Make sure that previews can be drawn, before a run has spent hours to find out.

    Raises:
        MissingDependencyError: matplotlib is not there.
    """
    try:
        import pyiqa_pixelperfect.plots  # noqa: F401
    except ImportError as error:
        fix = "Install it (pip install matplotlib), or train with preview_every=0."
        raise MissingDependencyError("preview_every", "matplotlib, to draw previews", str(error), fix) from error


@contextmanager
def _evaluation(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, then the mode from before."""
    mode = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(mode)


class HeldOut:
    """Crops of the photos that are not trained on, cut and distorted alike in every run.

    Args:
        config: the run.
        photos: held-out photos.
        engine: distorts them.
        device: where networks compute.
    """

    def __init__(
        self, config: PixelPerfectConfig, photos: list[Path], engine: DistortionEngine, device: torch.device
    ) -> None:
        self.config, self.photos, self.engine, self.device = config, photos, engine, device

    def _cut(self, side: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Sample numbers (P,) and crops (P, 3, side, side) uint8, batch by batch."""
        count = self.config.validation_crops
        dataset = CropDataset(self.photos, side, self.config.data.smallest_scale, _SEED)
        return crop_loader(dataset, StepSampler(0, max(1, count // _BATCH), min(_BATCH, count)), 0)

    @cached_property
    def _crops(self) -> list[tuple[Tensor, Tensor]]:
        """Crops for the maps, cut once."""
        return list(self._cut(self.config.data.crop))

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        for numbers, crops in self._crops:
            yield numbers, crops.to(self.device).float() / 255.0

    def _distorted(self, numbers: Tensor, clean: Tensor) -> Versions:
        return distorted_versions(self.engine, clean, numbers.numpy(), 1, seed=_SEED)

    @torch.no_grad()
    def map_figures(self, maps: DistortionMapNet) -> dict[str, float]:
        """Figures of ``stages.map_figures``."""
        with _evaluation(maps):
            return mean_figures([map_figures(maps, self._distorted(*batch)) for batch in self._batches()])

    @torch.no_grad()
    def ordered(self, maps: DistortionMapNet, score: RelationalScoreNet, engine: DistortionEngine) -> float:
        """Share of ordered pairs of ranked sets of ``engine`` that the score puts in order."""
        config, shares = self.config.score, []
        with _evaluation(maps), _evaluation(score):
            for numbers, crops in self._cut(config.crop):
                clean = crops.to(self.device).float() / 255.0
                sets = ranked_sets(engine, clean, numbers.numpy(), rungs=config.rungs, seed=_SEED)
                shares.append(ordered_share(score, describe_sets(maps, sets, judge_versions(sets, []))))
        return sum(shares) / len(shares)

    @torch.no_grad()
    def preview(self, maps: DistortionMapNet, title: str) -> "Figure":
        """Maps of a few pairs beside the truth."""
        from pyiqa_pixelperfect.plots import preview_figure

        numbers, clean = next(self._batches())
        versions = self._distorted(numbers[:6], clean[:6])
        image, reference = versions.pairs()
        images, references = versions.images[image], versions.images[reference]
        target = map_target(versions.difference(image, reference), None, MAP_STRIDE)
        with _evaluation(maps):
            prediction = maps(images, references)
        return preview_figure(images.cpu(), references.cpu(), target.cpu(), prediction.cpu(), title=title)
