"""The shape of every JSON record that a command writes: what was measured, with what, on what, when."""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["SCHEMA_VERSION", "Device", "Record", "Target", "finite"]

SCHEMA_VERSION = 1  # raise it whenever a field changes its meaning or leaves


class Device(BaseModel):
    """The machine: enough to judge a time, nothing that names a person or a host."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(description="'cpu' or 'cuda'")
    name: str = Field(description="processor or accelerator model")
    cpu_count: int = Field(ge=1)
    threads: int = Field(ge=1, description="threads torch was allowed to use")
    system: str


class Target(BaseModel):
    """A figure that was promised, beside what was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    figure: str
    measured: float | None
    first_cut: float
    later: float | None = None
    at_least: bool = Field(description="whether the figure has to be at least (or at most) the target")
    reached: bool


class Record(BaseModel):
    """One run of one command.

    ``settings`` are the options as given, paths cut to their last part; ``data`` maps each input (photos, weights,
    rating table) to its sha256; ``results`` is the command's own and described in ``benchmark/README.md``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    command: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    date: str = Field(description="UTC, ISO 8601")
    commit: str = Field(description="git commit of the checkout; '+changes' behind it when the tree was not clean")
    versions: dict[str, str]
    device: Device
    settings: dict[str, Any]
    data: dict[str, str]
    targets: list[Target]
    results: dict[str, Any]

    @field_validator("schema_version")
    @classmethod
    def _known_version(cls, value: int) -> int:
        if value != SCHEMA_VERSION:
            raise ValueError(f"schema version {value} is not the version {SCHEMA_VERSION} that this code reads")
        return value


def finite(value: Any) -> Any:
    """Return ``value`` with every NaN and infinity in it as ``None``: JSON has neither."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, str):  # numpy scalars
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
