"""Configurations of GRepQ. The YAML files in ``configs/grepq`` are instances of them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from pyiqa_pixelperfect.config import Config
from pyiqa_pixelperfect.distortions.catalog import KINDS
from pyiqa_pixelperfect.grepq.version_sets import VersionSettings

__all__ = [
    "GRepQRegression",
    "HighDataConfig",
    "HighLevelConfig",
    "LowDataConfig",
    "LowLevelConfig",
    "OptimizerConfig",
    "VersionsConfig",
]

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
#: One folder or several.
Folders = Annotated[
    tuple[Path, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str | Path) else value)
]

#: Kinds that cameras, codecs and retouching bring over whole pictures; the paper does not tell its four.
KINDS_OF_CAMERAS = (
    "gaussian_blur", "lens_blur", "motion_blur", "upscaling", "white_noise", "sensor_noise", "grain", "jpeg",
    "wavelet_codec", "exposure", "contrast_stretch", "haze",
)  # fmt: skip


class LowDataConfig(Config):
    """Which photos to train on."""

    photos: Folders  # folders or manifests
    pristine: Folders = ()  # photos for the Gaussian of pristine patches; ``photos`` if none are given
    holdout: bool = True  # keep every fifth photo of each folder for validation
    workers: Annotated[int, Field(ge=0)] = 0


class VersionsConfig(Config):
    """What version sets are drawn from; see ``VersionSettings`` for the meaning of each."""

    sets: Annotated[int, Field(ge=0)] = 0  # in all; 0 = one of each photo
    seed: int | None = None  # of the sets; the run's own if not given
    kinds: tuple[str, ...] = KINDS_OF_CAMERAS
    types: Positive = 4
    levels: Annotated[tuple[tuple[Share, Share], ...], Field(min_length=1)] = ((0.2, 0.5), (0.6, 1.0))
    smallest_scale: Annotated[float, Field(gt=0.2, le=1.0)] = 1.0

    @model_validator(mode="after")
    def _drawable(self) -> "VersionsConfig":
        if unknown := [name for name in self.kinds if name not in KINDS]:
            raise ValueError(f"kinds must be of the catalog, not {', '.join(unknown)}")
        if local := [name for name in self.kinds if KINDS[name].local_only]:
            raise ValueError(f"kinds must cover whole pictures, which {', '.join(local)} cannot")
        if len(set(self.kinds)) < max(self.types, len(self.kinds)):
            raise ValueError(f"kinds must be at least {self.types} different ones, and none named twice")
        if any(low > high for low, high in self.levels):
            raise ValueError("levels must be [smallest, largest] amounts")
        return self

    def settings(self) -> VersionSettings:
        """The same as the type that sets are drawn by."""
        return VersionSettings(**self.model_dump(exclude={"sets", "seed"}))


class OptimizerConfig(Config):
    """Length and optimizer (linear warm-up, then cosine decay to ``final_rate``)."""

    steps: Annotated[int, Field(ge=0)]
    learning_rate: Rate = 1e-4
    final_rate: Annotated[float, Field(ge=0.0)] = 1e-6
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.05
    warmup: Annotated[int, Field(ge=0)] = 0  # steps
    clip: Rate = 1e9  # largest gradient norm; the paper does not clip


class LowLevelConfig(Config):
    """A training run of the low-level branch; the defaults are the paper's."""

    system: Literal["grepq"]
    output: Path
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    cache: Path | None = None  # folder of version sets; ``<output>/versions`` if not given
    data: LowDataConfig
    versions: VersionsConfig = VersionsConfig()
    width: Positive = 64  # channels of the first stage of the ResNet-18
    grid: Positive = 7  # cells on a side of a fragment picture
    cell: Positive = 32  # px
    photos: Positive = 8  # per step and process
    temperature: Rate = 0.5
    cross_content: bool = False  # ours: versions of other photos are negatives too
    normalized: bool = False  # ours: unit features in the Gaussians of the score
    optimizer: OptimizerConfig
    log_every: Positive = 10
    checkpoint_every: Positive = 200
    validation_photos: Annotated[int, Field(ge=0)] = 12  # held-out photos for the final figure; 0 = none


class HighDataConfig(Config):
    """Which photos to train on; any photos, clean or not, since no label is needed."""

    photos: Folders
    holdout: bool = True  # keep every fifth photo of each folder
    crop: Annotated[int, Field(ge=32, multiple_of=32)] = 224  # px, from the middle
    workers: Annotated[int, Field(ge=0)] = 0


class HighLevelConfig(Config):
    """A training run of the high-level branch; the defaults are the paper's."""

    system: Literal["grepq-high"]
    output: Path
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    data: HighDataConfig
    start: Path | None = None  # CLIP's image tower with two prompts, as ``pixelperfect convert grepq`` writes it
    positions: Literal["none", "interpolated"] = "none"  # of the positional embedding, here and in scoring
    photos: Annotated[int, Field(ge=4)] = 128  # per step and process
    groups: Annotated[int, Field(ge=2)] = 32  # a group is this part of a batch: 4 of 128
    temperature: Rate = 0.5
    projection: Positive = 128
    train_projection: bool = False  # ours: the original leaves its projection head untrained
    optimizer: OptimizerConfig  # Adam at a constant rate after the warm-up; ``final_rate`` and decay do not count
    log_every: Positive = 10
    checkpoint_every: Positive = 200

    @model_validator(mode="after")
    def _two_groups(self) -> "HighLevelConfig":
        if self.photos // self.groups < 2:
            raise ValueError("photos must be at least twice groups, so that a group has two members")
        return self


class GRepQRegression(Config):
    """Heads fitted to few labels, several times on labels drawn anew; the defaults are the paper's."""

    system: Literal["grepq"]
    output: Path  # folder for ``grepq-head.safetensors`` and for the features, which are computed once
    weights: Path | None = None  # of the low-level branch; those that come with the package if not given
    high: Path | None = None  # of the high-level branch
    branches: Literal["low", "high", "both"] = "low"
    device: str = "auto"
    ratings: Path  # CSV table; see ``data.rated.read_ratings``
    images: Path | None = None  # folder of its pictures, if not beside it
    split: str | None = "train"  # rows that labels are drawn from; null = all
    test: str | None = "test"  # rows to report the correlation on; null = the rows that were not drawn
    scale: tuple[float, float] = (0.0, 1.0)  # of the ratings
    lower_better: bool = False  # as with DMOS
    n_labels: Annotated[int, Field(ge=10)] | None = None  # null = all
    draws: Positive = 10
    alphas: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.1, 1.0, 10.0, 100.0)
    splits: Positive = 5  # of the drawn labels, to choose alpha
    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2  # share of each split
    standardize: bool = False
    seed: int = 0

    @model_validator(mode="after")
    def _has_its_branches(self) -> "GRepQRegression":
        if self.branches != "low" and self.high is None:
            raise ValueError(f"high must name the high-level weights for branches={self.branches}")
        return self
