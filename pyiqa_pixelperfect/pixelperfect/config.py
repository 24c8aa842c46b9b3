"""Configuration of Pixel Perfect training. The YAML files in ``configs/pixelperfect`` are instances of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pyiqa_pixelperfect.config import Config
from pyiqa_pixelperfect.distortions.catalog import KINDS
from pyiqa_pixelperfect.distortions.fields import FIELD_SHAPES
from pyiqa_pixelperfect.distortions.kadis import KADIS_LEVELS
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.pixelperfect.consensus import TEACHERS

__all__ = ["DataConfig", "EngineConfig", "MapStageConfig", "NetworkConfig", "PixelPerfectConfig", "ScoreStageConfig"]

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
Weight = Annotated[float, Field(ge=0.0)]
_FAMILIES = Field(min_length=len(FAMILIES), max_length=len(FAMILIES))
_SHAPES = Field(min_length=len(FIELD_SHAPES), max_length=len(FIELD_SHAPES))


class DataConfig(Config):
    """Which photos to train on, and how crops are cut from them."""

    photos: Path
    crop: Annotated[int, Field(ge=64, multiple_of=32)] = 128  # px
    smallest_scale: Annotated[float, Field(gt=0.2, le=1.0)] = 0.5  # photos are reduced by up to this before cropping
    holdout: bool = True  # keep every fifth photo for validation
    workers: Annotated[int, Field(ge=0)] = 0


class EngineConfig(Config):
    """What the distortion engine draws; see ``PlanSettings`` for the meaning of each."""

    counts: Annotated[tuple[Share, ...], Field(min_length=1, max_length=len(FAMILIES))] = PlanSettings.counts
    untouched: Share = PlanSettings.untouched
    amounts: tuple[Share, Share] = PlanSettings.amounts
    shapes: Annotated[tuple[Share, ...], _SHAPES] = PlanSettings.shapes
    scale: tuple[Rate, Rate] = PlanSettings.scale
    coverage: tuple[Rate, Rate] = PlanSettings.coverage
    softness: tuple[Rate, Rate] = PlanSettings.softness
    variation: Share = PlanSettings.variation
    pipeline: Share = PlanSettings.pipeline
    kinds: tuple[str, ...] = PlanSettings.kinds
    families: Annotated[tuple[Weight, ...], _FAMILIES] = PlanSettings.families

    @model_validator(mode="after")
    def _drawable(self) -> "EngineConfig":
        if not sum(self.counts):
            raise ValueError("counts must not all be 0")
        if not sum(chance for shape, chance in zip(FIELD_SHAPES, self.shapes, strict=True) if shape != "global"):
            raise ValueError("shapes needs a chance for at least one local shape: some distortions are local only")
        if unknown := [name for name in self.kinds if name not in KINDS]:
            raise ValueError(f"kinds must be of the catalog, not {', '.join(unknown)}")
        chances = dict(zip(FAMILIES, self.families, strict=True))
        if not any(chances[KINDS[name].family] for name in self.kinds or KINDS):
            raise ValueError("families must leave a chance to one that has kinds")
        for name in ("amounts", "scale", "coverage", "softness"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be [smallest, largest]")
        return self

    def settings(self) -> PlanSettings:
        """The same as the engine's own type."""
        return PlanSettings(**self.model_dump())


class NetworkConfig(Config):
    """Sizes of the two networks; see ``networks.py``."""

    kind: Literal["conv", "swinv2"] = "conv"  # of the encoder: ours, or a SwinV2 of timm, as in the paper
    backbone: str = "swinv2_tiny_window8_256"  # timm's name of a SwinV2
    # What timm's constructor takes beside the name.
    backbone_options: dict[str, int | float | bool | str | list[int]] = Field(default_factory=dict)
    antisymmetric: bool = True  # False = learned by swapping pairs, for an ablation
    encoder_widths: tuple[Positive, Positive, Positive, Positive, Positive] = (16, 40, 80, 128, 192)
    decoder_widths: tuple[Positive, Positive, Positive, Positive] = (48, 64, 96, 96)
    score_hidden: Positive = 128
    score_ensemble: Positive = 1  # networks whose opinions make up the verdict
    embedding: Positive = 64

    @property
    def encoder(self) -> Sequence[int] | Mapping[str, Any]:
        """The encoder as ``networks.build_maps`` wants it."""
        swin = {"backbone": self.backbone, "options": self.backbone_options}
        return swin if self.kind == "swinv2" else self.encoder_widths


class StageConfig(Config):
    """What both stages have: length and optimizer (AdamW, linear warm-up, cosine decay to zero)."""

    steps: Annotated[int, Field(ge=0)]
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.02
    warmup: Annotated[int, Field(ge=0)] = 200  # steps
    clip: Rate = 1.0  # largest gradient norm


class MapStageConfig(StageConfig):
    """Stage 1, the distortion maps."""

    start: Path | None = (
        None  # a weights file whose maps are learned on from; with ``steps: 0`` they are kept as they are
    )
    photos: Positive  # per step and process
    versions: Positive = 2  # distorted versions of each photo; they are also compared with one another
    weight_high: Rate = 10.0  # the paper's weight of distorted cells, at the start
    weight_high_final: Rate = 10.0  # and at the end; it moves geometrically in between
    beta: Share = 0.05
    weight_family: Weight = 0.0  # of the cross-entropy of the strongest family (ours, the paper has none)
    swap: Share = 0.0  # chance that a pair is swapped: the paper's p_swap of 0.25 where anti-symmetry has to be learned
    calibration_crops: Annotated[int, Field(ge=0)] = 0  # for the finished maps; 0 = they stay as they are
    averaging: Share = 0.99  # decay of the weight average that is kept; batch statistics lag behind longer ones


class FurtherSetsConfig(Config):
    """Ranked sets beside the main ones."""

    crops: Positive
    engine: EngineConfig  # what they are drawn from


class ScoreStageConfig(StageConfig):
    """Stage 2, the relational score; the constants of the losses are the paper's."""

    crops: Positive  # in all, each with its ladders; the frozen maps describe them once
    photos: Annotated[int, Field(ge=2, multiple_of=2)] = 16  # crops described at a time; they are paired for InfoNCE
    crop: Annotated[int, Field(ge=64, multiple_of=32)] = 256  # px; larger than for the maps, since pictures are scored
    rungs: Annotated[int, Field(ge=2)] = 3  # distorted versions on each ladder of a crop, in known order
    ladders: Positive = 1  # ladders of each crop
    engine: EngineConfig | None = None  # what ranked sets are drawn from; the run's own engine if not given
    further: tuple[FurtherSetsConfig, ...] = ()  # crops in addition, for what the main engine draws too seldom, or not
    kadis: Share = 0.0  # of the main crops whose last ladder is one of KADIS-700k instead of the engine's
    past: EngineConfig | None = None  # what crops went through before their ladders begin; nothing if not given
    batch: Positive = 32  # couples of crops a step
    dropout: Share = 0.4
    margin: Rate = 1.0
    temperature: Rate = 0.07
    weight_rank: Weight = 1.0
    weight_contrast: Weight = 0.5
    weight_detour: Weight = 1.0  # of the squared error of scores against their detour over the clean crop
    weight_mixed: Weight = 0.0  # of the hinge on mixtures of pairs of known order (ours)
    weight_consensus: Weight = 0.0  # of the squared error of severities against the mean rank of the teachers
    margin_severity: Rate = 0.02  # by which severities against the clean crop differ from rung to rung
    teachers: tuple[str, ...] = ()  # of ``consensus.TEACHERS``; asked about distortions of whole pictures

    @model_validator(mode="after")
    def _consistent(self) -> "ScoreStageConfig":
        if any(crops % self.photos for crops in (self.crops, *(part.crops for part in self.further))):
            raise ValueError("crops must be a multiple of photos")
        if unknown := [name for name in self.teachers if name not in TEACHERS]:
            raise ValueError(f"teachers must be of {', '.join(TEACHERS)}, not {', '.join(unknown)}")
        if self.kadis and self.rungs > KADIS_LEVELS:
            raise ValueError(f"score.kadis needs rungs of at most {KADIS_LEVELS}, the levels of KADIS-700k")
        if self.weight_consensus and not self.teachers:
            raise ValueError("weight_consensus needs teachers")
        return self


class PixelPerfectConfig(Config):
    """A whole training run."""

    system: Literal["pixelperfect"]
    output: Path
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    data: DataConfig
    engine: EngineConfig = EngineConfig()
    network: NetworkConfig = NetworkConfig()
    maps: MapStageConfig
    score: ScoreStageConfig
    log_every: Positive = 10
    checkpoint_every: Positive = 200
    preview_every: Annotated[int, Field(ge=0)] = 500  # 0 = never
    validate_every: Annotated[int, Field(ge=0)] = 500  # 0 = only at the end
    validation_crops: Annotated[int, Field(ge=2, multiple_of=2)] = 128  # even: ranked sets come in pairs

    @model_validator(mode="after")
    def _teachable(self) -> "PixelPerfectConfig":
        shapes = (self.score.engine or self.engine).shapes
        if self.score.weight_consensus and not shapes[FIELD_SHAPES.index("global")]:
            raise ValueError("score.weight_consensus needs a chance of global fields: teachers judge whole pictures")
        return self
