"""Does the score fall whenever a distortion gets stronger?

A ladder is one photo under one distortion at rising strength, the clean photo first. Counted is the share of adjacent
steps at which the score against the clean photo falls. Engine ladders take every kind of the training engine, over the
whole photo and under a Perlin amount field, both directions where a kind has two; tool ladders take the outside tools.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from benchmark.more_tools import ALL_TOOLS
from benchmark.photos import Photo, to_tensor
from benchmark.real_tools import RealTool, apply_tool, tool_seed
from benchmark.report import target
from benchmark.schema import Target
from benchmark.subject import ScoreMetric
from pyiqa_pixelperfect.distortions import KINDS, apply_kind, perlin_field
from pyiqa_pixelperfect.families import FAMILIES

__all__ = ["AMOUNTS", "Ladder", "all_ladders", "by_family", "by_ladder", "engine_ladders", "ladder_count",
           "ladder_targets", "measure", "tool_ladders"]  # fmt: skip

AMOUNTS = (0.2, 0.4, 0.6, 0.8, 1.0)
_FIELDS = ("global", "perlin")
_FIRST_CUT, _LATER = 0.95, 0.99


@dataclass(frozen=True)
class Ladder:
    """One photo under one distortion at rising strength.

    Attributes:
        photo: name of the photo.
        source: ``"engine"`` or ``"tool"``.
        name: kind or tool.
        family: its family.
        variant: direction and field, such as ``"+ perlin"``; empty for tools.
        steps: ``(N, 3, H, W)``, the clean photo first, then weakest to strongest.
    """

    photo: str
    source: str
    name: str
    family: str
    variant: str
    steps: Tensor


def engine_ladders(photos: Iterable[Photo], seed: int, kinds: Sequence[str] | None = None) -> Iterator[Ladder]:
    """Make the ladders of the training engine, with the same noise and the same field on all steps of a ladder."""
    for photo in photos:
        clean = to_tensor(photo.pixels)
        for name in KINDS if kinds is None else kinds:
            kind = KINDS[name]
            draw = tool_seed(seed, photo.name, name)
            field = perlin_field(draw, *clean.shape[-2:])
            for shape in _FIELDS:
                for direction in (1, -1) if kind.signed else (1,):
                    steps = [clean]
                    for amount in AMOUNTS:
                        level = amount * direction * (torch.ones_like(field) if shape == "global" else field)
                        steps.append(apply_kind(name, clean, level, seed=draw)[0])
                    variant = f"{'+' if direction > 0 else '-'} {shape}" if kind.signed else shape
                    yield Ladder(photo.name, "engine", name, kind.family, variant, torch.cat(steps))


def tool_ladders(photos: Iterable[Photo], seed: int, tools: Sequence[RealTool] = ALL_TOOLS) -> Iterator[Ladder]:
    """Make the ladders of the outside tools over all their strengths."""
    for photo in photos:
        for tool in tools:
            draw = tool_seed(seed, photo.name, tool.name)
            steps = [photo.pixels, *(apply_tool(tool, photo.pixels, strength, draw) for strength in tool.strengths)]
            yield Ladder(photo.name, "tool", tool.name, tool.family, "", torch.cat([to_tensor(step) for step in steps]))


def all_ladders(photos: Sequence[Photo], seed: int) -> Iterator[Ladder]:
    """Make the engine's ladders, then the tools'."""
    yield from engine_ladders(photos, seed)
    yield from tool_ladders(photos, seed)


def ladder_count(photos: int, kinds: Sequence[str] | None = None, tools: Sequence[RealTool] = ALL_TOOLS) -> int:
    """Return how many ladders the two makers yield for that many photos."""
    names = KINDS if kinds is None else kinds
    engine = sum(len(_FIELDS) * (2 if KINDS[name].signed else 1) for name in names)
    return photos * (engine + len(tools))


def measure(metric: ScoreMetric, ladders: Iterable[Ladder], device: str = "cpu") -> pd.DataFrame:
    """Score every ladder.

    Returns:
        One row per ladder: where it came from, ``in_order`` and ``steps`` (adjacent steps that changed the picture at
        all), ``unchanged`` steps, which have no order to be right about, ``first`` and ``last`` score.
    """
    return pd.DataFrame([_row(metric, ladder, device) for ladder in ladders])


def by_family(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of steps in order per family, engine and tools apart, families in their public order."""
    table = rows.groupby(["source", "family"])[["in_order", "steps"]].sum().reset_index()
    table["share"] = table["in_order"] / table["steps"]
    table["order"] = table["family"].map({name: place for place, name in enumerate(FAMILIES)})
    return table.sort_values(["source", "order"]).drop(columns="order").reset_index(drop=True)


def by_ladder(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of steps in order per kind and variant, or per tool, in the order in which they came."""
    grouped = rows.groupby(["source", "family", "name", "variant"], sort=False)
    table = grouped[["in_order", "steps", "unchanged"]].sum().reset_index()
    table["share"] = table["in_order"] / table["steps"]
    table["weakest score"] = grouped["first"].mean().to_numpy()
    table["strongest score"] = grouped["last"].mean().to_numpy()
    return table


def ladder_targets(rows: pd.DataFrame) -> list[Target]:
    """Return the promised shares beside the measured ones: over all steps, and of the worst family."""
    engine, tools = rows[rows["source"] == "engine"], rows[rows["source"] == "tool"]
    named = {
        "engine ladders, all steps": _share(engine),
        "engine ladders, worst family": _worst_family(engine),
        "tool ladders, all steps": _share(tools),
        "tool ladders, worst family": _worst_family(tools),
    }
    return [target(name, share, _FIRST_CUT, _LATER, at_least=True) for name, share in named.items()]


def _row(metric: ScoreMetric, ladder: Ladder, device: str) -> dict[str, object]:
    steps = ladder.steps.to(device)
    with torch.inference_mode():
        scores = metric(steps, steps[:1].expand_as(steps)).float().cpu()
    changed = (ladder.steps[1:] != ladder.steps[:-1]).flatten(1).any(dim=1)
    falls = scores[1:] < scores[:-1]  # a NaN falls nowhere
    return {
        "photo": ladder.photo,
        "source": ladder.source,
        "family": ladder.family,
        "name": ladder.name,
        "variant": ladder.variant,
        "in_order": int((falls & changed).sum()),
        "steps": int(changed.sum()),
        "unchanged": int((~changed).sum()),
        "first": float(scores[1]),
        "last": float(scores[-1]),
    }


def _share(rows: pd.DataFrame) -> float:
    steps = int(rows["steps"].sum())
    return float(rows["in_order"].sum()) / steps if steps else float("nan")


def _worst_family(rows: pd.DataFrame) -> float:
    return float(by_family(rows)["share"].min()) if len(rows) else float("nan")
