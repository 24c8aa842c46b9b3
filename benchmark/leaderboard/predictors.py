"""Metrics of any origin behind one call: pyiqa's (ours included), piq's functions, LPIPS from a local folder.

A metric that cannot be built becomes a row that says why; it never stops a run and never downloads unless told to.
"""

import contextlib
import hashlib
import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from benchmark.leaderboard.config import MetricEntry
from benchmark.peers import lpips_squeeze
from benchmark.subject import weights_hash
from pyiqa_pixelperfect import __version__
from pyiqa_pixelperfect.errors import PixelPerfectError
from pyiqa_pixelperfect.startup.rows import METRIC_ROWS

__all__ = ["PIQ_LOWER_BETTER", "Predictor", "Unavailable", "build_predictor", "whole_reason"]

Function: TypeAlias = Callable[..., Tensor]

PIQ_LOWER_BETTER: Mapping[str, bool] = {
    "psnr": False, "ssim": False, "multi_scale_ssim": False, "information_weighted_ssim": False, "vif_p": False,
    "fsim": False, "srsim": False, "vsi": False, "dss": False, "haarpsi": False, "gmsd": True,
    "multi_scale_gmsd": True, "mdsi": True,
}  # fmt: skip
"""piq's full-reference functions without weights, and whether lower is better; piq does not say."""

_LPIPS_FOLDER = Path("lpips_squeeze")


@dataclass(frozen=True)
class Predictor:
    """A metric that can be called.

    Attributes:
        name: row name.
        mode: ``FR`` compares with a reference, ``NR`` looks at one image.
        lower_better: direction of its own units.
        identity: sha256 of all that its scores depend on: source, version, options, weights, kind of device.
        note: what a reader of a table has to know, or empty.
    """

    name: str
    mode: Literal["FR", "NR"]
    lower_better: bool
    identity: str
    function: Function
    note: str = ""

    def score(self, image: Tensor, reference: Tensor | None, seed: int = 0) -> float:
        """Return the score of one image ``(1, 3, H, W)`` in the metric's own units and direction.

        Whatever the metric draws at random follows from ``seed`` alone, not from what was scored before.

        Raises:
            ValueError: the answer is not one finite number.
        """
        with torch.no_grad(), _seeded(seed):
            answer = self.function(image, reference) if self.mode == "FR" else self.function(image)
        if answer.numel() != 1:
            raise ValueError(f"its answer is not one number but a tensor {tuple(answer.shape)}")
        value = float(answer)
        if not np.isfinite(value):
            raise ValueError(f"its answer is {value}")
        return value


@dataclass(frozen=True)
class Unavailable:
    """A metric that cannot be called here, why, in one line, and its mode where that is known."""

    name: str
    reason: str
    mode: str = ""


def build_predictor(entry: MetricEntry, weights: Path | None, device: str) -> Predictor | Unavailable:
    """Build a metric, or say why it cannot be had.

    Args:
        entry: its configuration.
        weights: the run's folder of local weights.
        device: torch device.
    """
    makers = {"pyiqa": _from_pyiqa, "piq": _from_piq, "lpips-squeeze": _from_lpips_folder}
    try:
        # pyiqa announces downloads that never happen, and libraries warn of old calls inside of each other.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _no_warnings():
            return makers[entry.source](entry, weights, device)
    except PixelPerfectError as error:
        return Unavailable(entry.name, str(error), _mode(entry))
    except Exception as error:  # noqa: BLE001 - libraries fail in every way there is, and a row has to say which
        return Unavailable(entry.name, whole_reason(error), _mode(entry))


def whole_reason(error: BaseException) -> str:
    """Return in one line why something failed, in a reader's terms where the kind of failure is known."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    names = {type(link).__name__ for link in chain}
    if names & _NETWORK_ERRORS:
        return "weights not available: no copy on this machine, and downloads are off (download: false)"
    missing = next((link for link in chain if isinstance(link, ModuleNotFoundError)), None)
    if missing is not None:
        return f"needs the Python module {missing.name}, which is not installed"
    words = " ".join(str(chain[0]).split())
    return f"{type(chain[0]).__name__}: {words[:200]}"


_NETWORK_ERRORS = {"NetworkClosedError", "LocalEntryNotFoundError", "OfflineModeIsEnabled", "URLError"}


def _from_pyiqa(entry: MetricEntry, _: Path | None, device: str) -> Predictor | Unavailable:
    import pyiqa

    from pyiqa_pixelperfect.plugin import register

    register()  # ours are pyiqa's too, from a checkout without an installation as well
    name = entry.metric or entry.name
    if name not in pyiqa.list_models():
        return Unavailable(entry.name, f"pyiqa {metadata.version('pyiqa')} knows no metric {name!r}")
    if "fid" in name or name == "inception_score":
        return Unavailable(entry.name, "compares whole folders of images, so it has no score of one image")
    metric = pyiqa.create_metric(name, device=torch.device(device), **entry.options)
    source = {"source": "pyiqa", "version": metadata.version("pyiqa")}
    if name in METRIC_ROWS:
        source = {"source": "pyiqa-pixelperfect", "version": __version__}
    identity = _identity(entry, name, device, source | {"weights": weights_hash(metric)})
    return Predictor(entry.name, metric.metric_mode, bool(metric.lower_better), identity, metric, entry.note)


def _from_piq(entry: MetricEntry, _: Path | None, device: str) -> Predictor | Unavailable:
    import piq

    name = entry.metric or entry.name
    if name not in PIQ_LOWER_BETTER:
        return Unavailable(entry.name, f"not among piq's functions without weights: {', '.join(PIQ_LOWER_BETTER)}")
    function = partial(getattr(piq, name), **{"reduction": "none", "data_range": 1.0, **entry.options})
    identity = _identity(entry, name, device, {"source": "piq", "version": metadata.version("piq")})
    return Predictor(entry.name, "FR", PIQ_LOWER_BETTER[name], identity, function, entry.note)


def _from_lpips_folder(entry: MetricEntry, weights: Path | None, device: str) -> Predictor | Unavailable:
    if weights is None:
        return Unavailable(entry.name, "weights not available: set weights= to the folder that holds lpips_squeeze/")
    folder = weights / (entry.weights or _LPIPS_FOLDER)
    peer = lpips_squeeze(folder, device)
    files = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.pth"))}
    identity = _identity(entry, "lpips-squeeze", device, {"version": metadata.version("lpips"), **files})
    return Predictor(entry.name, "FR", True, identity, peer.function, entry.note)


def _mode(entry: MetricEntry) -> str:
    if entry.source != "pyiqa":
        return "FR"
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    return str(DEFAULT_CONFIGS.get(entry.metric or entry.name, {}).get("metric_mode", ""))


def _identity(entry: MetricEntry, name: str, device: str, more: Mapping[str, str]) -> str:
    facts = {"metric": name, "options": entry.options, "device": torch.device(device).type, **more}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators for one score and put them back: some metrics crop at random, from either of them."""
    state = np.random.get_state()  # noqa: NPY002 - the generator that those metrics draw from
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
