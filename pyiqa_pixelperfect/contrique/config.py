"""Configuration of CONTRIQUE: pre-training of the encoder, and heads fitted to ratings.

The YAML files in ``configs/contrique`` are instances of these classes.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pyiqa_pixelperfect.config import Config
from pyiqa_pixelperfect.training.regression import HeadSettings

__all__ = ["BatchConfig", "ContriqueConfig", "ContriqueRegression", "DataConfig", "EncoderConfig"]

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
STEM = 32  # px per cell of the deepest level of most backbones


class DataConfig(Config):
    """Which pictures to learn from. No rating of any of them is read."""

    pristine: Path  # clean photos: a folder or a manifest
    authentic: tuple[Path, ...] = ()  # folders or manifests of pictures with distortions of their own
    ratings: Path | None = None  # a table whose pictures, not ratings, are authentic ones too
    split: str | None = "train"  # rows of it
    crop: Annotated[int, Field(ge=64)] = 256  # px; the window that views are cut from is twice as large
    smallest_scale: Annotated[float, Field(gt=0.2, le=1.0)] = 1.0  # clean photos are reduced by up to this
    holdout: bool = True  # keep every fifth clean photo
    workers: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _something_authentic(self) -> "DataConfig":
        if not self.authentic and self.ratings is None:
            raise ValueError("authentic or ratings must name pictures with distortions of their own")
        return self


class BatchConfig(Config):
    """What one step of one process sees: ``photos * versions`` synthetic pictures, and authentic ones, in two views."""

    photos: Positive = 256
    versions: Positive = 1  # distorted versions of each photo
    repeat: Positive = 1  # so many photos in a row get the same distortions
    authentic: Positive = 256


class EncoderConfig(Config):
    """The encoder and the projector that stands on it during training; see ``networks.py``."""

    backbone: str = "resnet50"  # a timm model
    options: dict[str, Any] = Field(default_factory=dict)  # of timm's constructor
    levels: Positive = 1  # deepest levels of the backbone that features are taken from
    deviation: bool = False  # standard deviations over the picture beside the means
    projection: Positive = 128


class ContriqueConfig(Config):
    """A pre-training run."""

    system: Literal["contrique"]
    output: Path
    seed: int = 10
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    data: DataConfig
    batch: BatchConfig = BatchConfig()
    network: EncoderConfig = EncoderConfig()
    steps: Positive
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Rate = 0.6
    momentum: Share = 0.9  # of SGD
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-4
    warmup: Share = 0.1  # share of the steps over which the rate rises; it then falls by a cosine to 0
    temperature: Rate = 0.1
    log_every: Positive = 10
    checkpoint_every: Positive = 500
    keep_every: Annotated[int, Field(ge=0)] = 0  # also keep the weights as they are every so many steps; 0 = never


class ContriqueRegression(Config):
    """A head for an encoder."""

    system: Literal["contrique"]
    output: Path  # folder for ``head.safetensors`` and ``contrique.safetensors``, encoder and head together
    encoder: Path | None = None  # weights of the encoder; those that come with the package if not given
    levels: Positive | None = None  # what is read out of it, as of ``EncoderConfig``; as its file says if not given
    deviation: bool | None = None
    device: str = "auto"
    head: HeadSettings
