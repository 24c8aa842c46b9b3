"""What each choice of Pixel Perfect is worth: variants trained alike, with the same budget and the same seeds.

A variant is a few settings on top of one configuration. Every variant is trained once per seed; the figures are those
that training itself reports on held-out engine pairs at its end, so all variants are judged by the same crops. Runs
resume, and finished ones are read, not repeated. The spread over seeds says which differences mean anything.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import torch

from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.images import MINIMUM_SIZE
from pyiqa_pixelperfect.pixelperfect.config import PixelPerfectConfig
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.trainer import train
from pyiqa_pixelperfect.systems import load_config
from pyiqa_pixelperfect.training.logbook import FINAL

__all__ = ["FIGURES", "VARIANTS", "run_variant", "run_variants", "summarize"]

FIGURES = ("maps_error", "maps_leak", "maps_type", "maps_sign", "score_ordered")

#: Settings on top of the configuration, by the names of the tables. Shapes are those of ``fields.FIELD_SHAPES``.
VARIANTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "as configured": (),  # variant (b) of the score: orders and consensus
        "anti-symmetry learned, p_swap 0.25": ("network.antisymmetric=false", "maps.swap=0.25"),
        "w_high 1": ("maps.weight_high=1", "maps.weight_high_final=1"),
        "w_high 10": ("maps.weight_high_final=10",),  # to the end, as in the paper
        "beta 0.01": ("maps.beta=0.01",),
        "beta 0.2": ("maps.beta=0.2",),
        "hinge alone": ("score.weight_contrast=0",),
        "hinge and InfoNCE 0.5": ("score.weight_contrast=0.5",),
        "Perlin fields": ("engine.shapes=[1, 0, 0, 0, 0, 0]",),
        "global fields": ("engine.shapes=[0.05, 0.95, 0, 0, 0, 0]",),  # some kinds are local only
        "(a) orders alone": ("score.weight_consensus=0", "score.teachers=[]"),
        "no loss of families": ("maps.weight_family=0",),
        "no detour": ("score.weight_detour=0",),
        "no mixtures": ("score.weight_mixed=0",),
        "no past": ("score.past=null",),
        "half the width": (
            "network.encoder_widths=[16, 20, 40, 64, 96]",
            "network.decoder_widths=[24, 32, 48, 48]",
        ),
    }
)


def run_variants(
    config: str, names: Iterable[str], seeds: Sequence[int], folder: Path, overrides: Sequence[str]
) -> pd.DataFrame:
    """Train variants, seed by seed; a row per run as of ``run_variant``."""
    rows = []
    for name in names:
        for seed in seeds:
            output = folder / f"{name.replace(' ', '-').replace(',', '')}-{seed}"
            rows.append(
                {"variant": name, "seed": seed}
                | run_variant(config, (*overrides, *VARIANTS[name], f"seed={seed}", f"output={output}"))
            )
    return pd.DataFrame(rows)


def run_variant(config: str, overrides: Sequence[str]) -> dict[str, float]:
    """Train once, or read a run that has finished.

    Returns:
        ``FIGURES``, ``asymmetry`` (largest |F(a,b) + F(b,a) - 1| on noise), ``parameters`` and ``seconds``.

    Raises:
        DataError: the configuration is of another system.
    """
    settings = load_config(config, [*overrides, "preview_every=0"])
    if not isinstance(settings, PixelPerfectConfig):
        raise DataError("config", "a configuration of pixelperfect", type(settings).__name__)
    weights, clock = settings.output / "pixelperfect.safetensors", settings.output / "seconds"
    if not weights.is_file():
        started = time.monotonic()
        train(settings)
        clock.write_text(str(time.monotonic() - started))
    entries = [json.loads(line) for line in (settings.output / "log.jsonl").read_text().splitlines()]
    final = next(entry for entry in reversed(entries) if entry["stage"] == FINAL)
    metric = PixelPerfect.load(weights)
    return {
        **{name: float(final[name]) for name in FIGURES},
        "asymmetry": _asymmetry(metric),
        "parameters": sum(parameter.numel() for parameter in metric.parameters()),
        "seconds": float(clock.read_text()) if clock.is_file() else float("nan"),
    }


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of each figure, and its spread (largest minus smallest), in the order of the variants."""
    table = []
    for name, part in rows.groupby("variant", sort=False):
        row: dict[str, object] = {"variant": name, "seeds": len(part)}
        for figure in FIGURES:
            row |= {figure: part[figure].mean(), f"{figure}_spread": part[figure].max() - part[figure].min()}
        row |= {"asymmetry": part["asymmetry"].max(), "parameters": int(part["parameters"].iloc[0])}
        table.append(row | {"seconds": part["seconds"].mean()})
    return pd.DataFrame(table)


@torch.no_grad()
def _asymmetry(metric: PixelPerfect) -> float:
    generator = torch.Generator().manual_seed(0)
    image, reference = torch.rand(2, 4, 3, 2 * MINIMUM_SIZE, 2 * MINIMUM_SIZE, generator=generator)
    return float((metric.maps(image, reference) + metric.maps(reference, image) - 1.0).abs().max())
