"""Runs of the smoke configuration: how they are set up, stopped and compared."""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from pyiqa_pixelperfect.pixelperfect.config import PixelPerfectConfig
from pyiqa_pixelperfect.systems import load_config

SMOKE = "pixelperfect/smoke.yaml"
#: On top of the smoke configuration: enough for what is not about learning.
BRIEF = ("maps.steps=6", "score.steps=4", "score.crops=8", "checkpoint_every=2", "validate_every=3", "preview_every=0")

#: Trains by the settings it is called with: for runs in processes of their own.
PROGRAM = """
import sys
from pyiqa_pixelperfect.systems import load_config, train
if __name__ == "__main__":
    train(load_config("pixelperfect/smoke.yaml", sys.argv[1:]))
"""


class StoppedError(Exception):
    """Stands in for whatever ends a run."""


def config_of(photos: Path, output: Path, *overrides: str) -> PixelPerfectConfig:
    """Return the smoke configuration with these settings, on the CPU."""
    config = load_config(SMOKE, [f"data.photos={photos}", f"output={output}", "device=cpu", *overrides])
    assert isinstance(config, PixelPerfectConfig)
    return config


def arguments(photos: Path, output: Path, *overrides: str) -> list[str]:
    """Return the settings of ``config_of`` for ``PROGRAM``."""
    return [f"data.photos={photos}", f"output={output}", "device=cpu", *overrides]


def log_of(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def losses_of(output: Path, stage: str) -> list[float]:
    return [entry["loss"] for entry in log_of(output) if entry["stage"] == stage]


def tensors_of(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def flat(state: object, prefix: str = "") -> dict[str, object]:
    """Return the entries of nested dictionaries by their joined names."""
    if isinstance(state, dict):
        return {k: v for name, part in state.items() for k, v in flat(part, f"{prefix}{name}.").items()}
    return {prefix: state}


def assert_same(one: object, two: object) -> None:
    """Fail unless both states hold the same bits under the same names."""
    first, second = flat(one), flat(two)
    assert first.keys() == second.keys()
    for name, value in first.items():
        same = torch.equal(value, second[name]) if isinstance(value, Tensor) else value == second[name]
        assert same, name
