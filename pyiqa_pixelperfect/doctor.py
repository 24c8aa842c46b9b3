"""Is everything in place for pyiqa to find our metrics, for the weights to load, for the numbers to make sense?

Whether the start-up hook works cannot be told from a process that has imported this package, because that import
registers the metrics as well. So a fresh Python is started that imports pyiqa and nothing else.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

import torch

from pyiqa_pixelperfect import __version__
from pyiqa_pixelperfect.contrique.metric import Contrique
from pyiqa_pixelperfect.errors import WeightsError
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.startup.rows import METRIC_ROWS, architectures
from pyiqa_pixelperfect.startup.status import registration_status
from pyiqa_pixelperfect.weights import bundled_weights, file_sha256

__all__ = ["Diagnosis", "diagnose"]

PACKAGES = ("pyiqa", "torch", "torchvision", "timm", "numpy", "pillow", "safetensors", "matplotlib")

LISTING = (
    "import json, pyiqa; from pyiqa.default_model_configs import DEFAULT_CONFIGS as table; "
    "print(json.dumps({name: row['metric_opts'].get('type') for name, row in table.items()}))"
)
"""What the fresh Python runs: every metric pyiqa lists there, with the class behind it."""

TIME_LIMIT = 300  # seconds for a fresh Python to import pyiqa; a cold disk takes its time


@dataclass
class Diagnosis:
    """What was found.

    Attributes:
        versions: of Python, this package and those it stands on; "not installed" for missing ones.
        hook: how the start-up hook stands.
        metrics: for each metric of ours, who answers to its name in a fresh pyiqa.
        weights: path, size, hash and model card of the bundled weights.
        hardware: device, threads and number formats.
        check: scores of a generated picture against itself and against a blurred copy.
        problems: one sentence with a remedy each; empty when all is well.
    """

    versions: dict[str, str] = field(default_factory=dict)
    hook: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, str] = field(default_factory=dict)
    check: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield label and value of everything but the problems."""
        for section in (self.versions, self.hook, self.metrics, self.weights, self.hardware, self.check):
            yield from section.items()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for ``json.dumps``."""
        return asdict(self)


def diagnose() -> Diagnosis:
    """Look at the environment; changes nothing."""
    found = Diagnosis(versions=_versions(), hardware=_hardware())
    _look_at_registration(found)
    _look_at_weights(found)
    _look_at_other_weights(found)
    return found


def _versions() -> dict[str, str]:
    versions = {"pyiqa-pixelperfect": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _hardware() -> dict[str, str]:
    found = {"cpu": f"{platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} threads used"}
    half = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    found["cpu bfloat16"] = "yes" if half() else "no"
    if torch.cuda.is_available():
        found["gpu"] = ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
        found["gpu bfloat16"] = "yes" if torch.cuda.is_bf16_supported() else "no"
    else:
        found["gpu"] = "none"
    return found


def _look_at_registration(found: Diagnosis) -> None:
    status = registration_status()
    found.problems += status.problems()
    found.hook["start-up hook"] = "switched off" if status.hook_off else "yes" if status.hook_installed else "missing"
    found.hook["entry point"] = "yes" if status.entry_point else "missing"
    listed = _fresh_listing(found.problems) if status.pyiqa_version else None
    if listed is None:
        return
    ours = architectures()
    for name in METRIC_ROWS:
        owner = listed.get(name)
        if name not in listed:
            found.metrics[f"metric {name}"] = "not in pyiqa's list"
            if status.hook_installed and not status.hook_off:
                found.problems.append(f"A fresh Python does not list {name!r} in pyiqa: reinstall pyiqa-pixelperfect.")
        elif owner in ours:
            found.metrics[f"metric {name}"] = "in pyiqa's list, with no other import"
        else:
            found.metrics[f"metric {name}"] = f"taken by another package ({owner})"
            sentence = f"Another package registered a metric named {name!r} in pyiqa first; it was left in place."
            if sentence not in found.problems:
                found.problems.append(sentence)


def _fresh_listing(problems: list[str]) -> dict[str, str] | None:
    command = [sys.executable, *(["-I"] if sys.flags.isolated else []), "-c", LISTING]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=True)
        listed: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, OSError, ValueError, IndexError) as error:
        last = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        problems.append(f"pyiqa cannot be imported: {last}")
        return None
    return listed


def _look_at_weights(found: Diagnosis) -> None:
    try:
        path = bundled_weights("pixelperfect")
        network = PixelPerfect.load()
    except WeightsError as error:
        found.weights["weights"] = "unusable"
        found.problems.append(str(error))
        return
    found.weights["weights"] = f"{path} ({path.stat().st_size / 1e6:.1f} MB)"
    found.weights["weights sha256"] = file_sha256(path)
    found.weights |= {
        f"card {name}": value for name, value in network.card.items() if name not in ("families", "sizes")
    }
    steps = torch.linspace(0, 25, 96)
    picture = (0.5 + 0.4 * torch.sin(steps[:, None] * 2) * torch.cos(steps[None] ** 1.3)).expand(1, 3, -1, -1)
    blurred = torch.nn.functional.avg_pool2d(picture, 7, 1, 3, count_include_pad=False)
    with torch.no_grad():
        itself, worse = network(picture, picture).item(), network(blurred, picture).item()
    found.check["score of equals"] = f"{itself + 0.0:.4f}"  # which turns a negative zero into a plain one
    found.check["score of blurred"] = f"{worse:+.4f}"
    if itself != 0 or not worse < 0:
        found.problems.append("The network gives wrong answers on a test picture: reinstall pyiqa-pixelperfect.")


def _look_at_other_weights(found: Diagnosis) -> None:
    systems: dict[str, type[Contrique | GRepQ]] = {"contrique": Contrique, "grepq-low": GRepQ}
    for name, system in systems.items():
        try:
            path = bundled_weights(name)
            card = system.load().card
        except WeightsError as error:
            found.weights[f"{name} weights"] = "unusable"
            found.problems.append(str(error))
            continue
        found.weights[f"{name} weights"] = f"{path} ({path.stat().st_size / 1e6:.1f} MB)"
        found.weights[f"{name} weights sha256"] = file_sha256(path)
        told = ("photos", "labels", "labels_of_encoder", "seed", "commit", "license")
        found.weights |= {f"{name} card {key}": card[key] for key in told if key in card}
