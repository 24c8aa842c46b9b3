"""What a run of the leaderboard measures: rated sets, metrics, statistics, and where its files go."""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pyiqa_pixelperfect.config import Config, build_config, read_settings

__all__ = ["LeaderboardConfig", "MapsEntry", "MetricEntry", "RankBy", "SetEntry", "SpeedEntry", "load_leaderboard"]

RankBy: TypeAlias = Literal["srcc", "within", "centered"]


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class SetEntry(Config):
    """One rated set; in YAML a bare name means a set that pyiqa can load."""

    name: str = Field(min_length=1)
    source: Literal["pyiqa", "csv", "planted"] = "pyiqa"
    """``csv``: any table with columns image, reference (maybe), mos, distortion (maybe), paths relative to it.
    ``planted``: scikit-image's pictures under outside tools with invented ratings, to try a run out."""
    table: Path | None = None
    """CSV file below ``root``, for ``csv`` only."""
    columns: dict[Literal["image", "reference", "mos", "distortion"], str] = Field(default_factory=dict)
    """What the table calls them, where it calls them otherwise."""
    folder: Path | None = None
    """Where the pictures lie, below ``root``; beside the table if not given."""
    where: dict[str, str] = Field(default_factory=dict)
    """Only rows in which these columns have these values, such as ``official_split: test``."""
    lower_better: bool = False
    """Whether a lower rating is a better picture; pyiqa's sets know it themselves."""
    rank_by: RankBy = "srcc"
    """The correlation that orders the metrics: over the whole set, ``within`` each reference and averaged, or
    ``centered`` by reference. The last two for sets whose photos differ in appeal."""
    every: int = Field(default=1, ge=1)
    """Only every so many-th row, to try a run out."""

    @model_validator(mode="after")
    def _table_where_needed(self) -> "SetEntry":
        if (self.table is None) == (self.source == "csv"):
            raise ValueError(f"set {self.name!r}: 'table' belongs to source: csv, and only there")
        return self


class MetricEntry(Config):
    """One metric; in YAML a bare name means one of pyiqa's, ours included."""

    name: str = Field(min_length=1)
    """Row name; unique within a run."""
    source: Literal["pyiqa", "piq", "lpips-squeeze"] = "pyiqa"
    metric: str | None = None
    """What the source calls it; ``name`` if not given, so that one metric can stand with several options."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the metric."""
    weights: Path | None = None
    """Folder of local weights, below the run's ``weights``; for ``lpips-squeeze``."""
    note: str = ""


class SpeedEntry(Config):
    """Time and memory of every metric, interleaved."""

    sizes: tuple[tuple[int, int], ...] = ((512, 384), (1024, 768), (3840, 2160))
    """Width and height, pixels; ascending."""
    devices: tuple[str, ...] = ()
    """Torch devices, one after the other; the run's own if none. One that is not there becomes a row that says so."""
    rounds: int = Field(default=5, ge=1)
    patience: float = Field(default=60.0, gt=0)
    """A metric whose warm-up takes longer than so many seconds at a size is left out from there on; as is one that
    fails, with the reason."""
    memory: bool = True
    """Also peak memory, from a fresh process per metric and size."""


class MapsEntry(Config):
    """What only maps can show, on photos with regions that outside tools distorted."""

    photos: str = "bundled"
    holdout: Literal["every5", "all"] = "every5"
    count: int = Field(default=8, ge=1)


class LeaderboardConfig(Config):
    """A whole run."""

    title: str = "Leaderboard"
    root: Path = Path("datasets")
    """Folder of the rated sets, laid out as pyiqa wants them."""
    weights: Path | None = None
    """Folder of local weights for machines without a network."""
    datasets: tuple[Annotated[SetEntry, BeforeValidator(_named)], ...] = Field(min_length=1)
    metrics: tuple[Annotated[MetricEntry, BeforeValidator(_named)], ...] = Field(min_length=1)
    published: Path | None = None
    """CSV of published figures (metric, dataset, statistic, value, source); shown in columns of their own."""
    ours: str = "pixelperfect"
    """The metric that figures show in color."""
    output: Path = Path("runs/leaderboard")
    cache: Path | None = None
    """Folder of scores already computed; ``scores`` in the output folder if not given."""
    seed: int = Field(default=0, ge=0)
    device: str = "cpu"
    threads: int = Field(default=1, ge=1)
    """CPU threads per process. Sums depend on it in the last digit, so it is part of the configuration."""
    bootstrap: int = Field(default=1000, ge=20)
    """Bootstrap samples, of whole contents."""
    download: bool = False
    """Whether metrics may fetch weights. Otherwise the network is closed to them while they are built and scored."""
    retry_failed: bool = False
    """Compute scores that failed in an earlier run once more."""
    speed: SpeedEntry | None = None
    maps: MapsEntry | None = None

    @field_validator("datasets", "metrics")
    @classmethod
    def _unique(cls, entries: Any) -> Any:
        names = [entry.name for entry in entries]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"names must be unique, but {', '.join(twice)} occurs twice")
        return entries

    @property
    def score_folder(self) -> Path:
        """Where scores are kept."""
        return self.cache or self.output / "scores"


def load_leaderboard(path: str | Path, overrides: tuple[str, ...] | list[str] = ()) -> LeaderboardConfig:
    """Read a configuration with ``key=value`` overrides.

    Raises:
        ConfigError: no such file, or unknown, wrong or missing values, all of them at once.
    """
    return build_config(LeaderboardConfig, read_settings(path, overrides))
