"""Rated sets through pyiqa's loaders, from local files.

pyiqa would fetch what it does not find, so the files are looked for before it is asked. Two of its loaders (PieAPP and
BAPPS, pyiqa 0.1.16) never set the ``meta_info`` that their split needs; a split file takes them around it.
"""

import contextlib
import os
import pickle
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image
from torch import Tensor

from benchmark.leaderboard.config import SetEntry
from benchmark.leaderboard.rated_set import ANY, MissingSet, RatedSet, SetKind, missing_pictures

__all__ = ["ALIASES", "LAYOUTS", "Layout", "load_pyiqa_set"]

ALIASES = {"clive": "livec", "kadid-10k": "kadid10k", "koniq-10k": "koniq10k"}  # what papers call them

_MODES = {"bapps-jnd": ("bapps", "jnd")}  # sets that pyiqa keeps as a mode of another


@dataclass(frozen=True)
class Layout:
    """What pyiqa's own table does not say about a set.

    Attributes:
        lower_better: direction of the ratings; column names mislead (KADID's ``dmos`` is better when higher).
        distortion: type of a distorted file, from its path relative to the set's folder.
        phase: which part of an official split is measured; ``None`` for all of it.
    """

    lower_better: bool = False
    distortion: Callable[[str], str] = lambda _: ANY
    phase: str | None = "test"


def _second_of_underscores(path: str) -> str:
    return Path(path).stem.split("_")[1]  # i01_08_3.bmp, I01_08_03.png, A0001_08_03.bmp


def _second_of_dots(path: str) -> str:
    return Path(path).name.split(".")[1]  # 1600.AWGN.1.png


def _folder(path: str) -> str:
    return Path(path).parent.name or ANY  # fastfading/img29.bmp


def _bapps_type(path: str) -> str:
    parts = Path(path).parts  # 2afc/val/traditional/ref/000000.png, jnd/val/cnn/p1/000000.png
    return parts[-3] if len(parts) > 2 else ANY


LAYOUTS: Mapping[str, Layout] = {
    "tid2013": Layout(distortion=_second_of_underscores),
    "tid2008": Layout(distortion=_second_of_underscores),
    "csiq": Layout(lower_better=True, distortion=_second_of_dots),
    "live": Layout(lower_better=True, distortion=_folder),
    "kadid10k": Layout(distortion=_second_of_underscores),
    "pipal": Layout(distortion=_second_of_underscores, phase=None),  # all that is public was meant for training
    "pieapp": Layout(lower_better=True),  # its score is an error
    "bapps": Layout(distortion=_bapps_type, phase="val"),
    "bapps-jnd": Layout(distortion=_bapps_type, phase="val"),
    "koniq10k": Layout(),
    "spaq": Layout(),
    "livec": Layout(),
    "flive": Layout(),
}


def load_pyiqa_set(entry: SetEntry, root: Path) -> RatedSet | MissingSet:
    """Load one of pyiqa's sets by name, or say in one line what has to be put where."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyiqa's own: deprecated imports, a file that it leaves open
        return _load(entry, root)


def _load(entry: SetEntry, root: Path) -> RatedSet | MissingSet:
    from pyiqa import get_dataset_info

    name = ALIASES.get(entry.name, entry.name)
    called, mode = _MODES.get(name, (name, None))
    known: dict[str, Any] = get_dataset_info()
    if called not in known:
        names = ", ".join(sorted({*known, *_MODES}))
        return MissingSet(entry.name, f"pyiqa knows no set of this name; it knows {names}")
    options = known[called]
    wanted = [root / Path(*Path(options[key]).parts[1:]) for key in _PLACES if key in options]  # less ./datasets
    if not all(place.exists() for place in wanted):
        return MissingSet(entry.name, f"put the set at {', '.join(map(str, wanted))}")
    layout = LAYOUTS.get(name, Layout(lower_better=bool(options.get("lower_better", False))))
    try:
        with _part(called, wanted[-1], layout.phase) as part, contextlib.redirect_stdout(sys.stderr):  # pyiqa prints
            from pyiqa.data.dataset_api import load_dataset

            more = part if mode is None else part | {"mode": mode}
            dataset = load_dataset(called, data_root=str(root), phase=layout.phase or "test", **more)
    except (AssertionError, AttributeError, KeyError, IndexError, OSError, ValueError, TypeError) as error:
        problem = " ".join(str(error).split()) or type(error).__name__
        return MissingSet(entry.name, f"pyiqa cannot read {wanted[-1]}: {problem}")
    rows = _rows(name, dataset.paths_mos, layout, root, wanted[0])
    return _checked(entry, rows, root, dataset.opt.get("augment") or {})


_PLACES = ("dataroot_target", "dataroot_ref", "meta_info_file")
_BROKEN = frozenset({"pieapp", "bapps"})
_PHASES = ("train", "val", "test")  # which tables of these two sets write as 0, 1, 2


@contextlib.contextmanager
def _part(name: str, table: Path, phase: str | None) -> Iterator[dict[str, Any]]:
    """Yield the options that make pyiqa's loader take one phase of the official split, or everything."""
    if phase is None:
        yield {"split_index": None}
        return
    if name not in _BROKEN:
        yield {}
        return
    frame = pd.read_csv(table)
    columns = [column for column in frame if "split" in str(column)]
    words = (phase, str(_PHASES.index(phase)))
    chosen = frame.index
    if columns:
        chosen = frame.index[frame[columns[0]].astype(str).str.removesuffix(".0").isin(words)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "split.pkl"  # the one form in which pyiqa takes a split
        file.write_bytes(pickle.dumps({1: {phase: chosen.tolist()}}))
        yield {"split_file": str(file), "split_index": 1}


def _rows(name: str, items: list[list[Any]], layout: Layout, root: Path, target: Path) -> pd.DataFrame:
    def relative(path: str) -> str:
        return Path(os.path.relpath(path, root)).as_posix()

    def kind(path: str) -> str:
        try:
            return layout.distortion(Path(os.path.relpath(path, target)).as_posix())
        except (IndexError, ValueError):  # a file that is named otherwise has no type, and is rated all the same
            return ANY

    if name == "bapps-jnd":
        pairs = [(relative(target / b), relative(target / a), float(share), kind(target / b))
                 for _, a, b, share, *_ in items]  # fmt: skip
        frame = pd.DataFrame(pairs, columns=["image", "reference", "same", "distortion"])
    elif name == "bapps":
        table = [(relative(target / a), relative(target / b), relative(target / r), float(share), kind(target / r))
                 for r, a, b, share, *_ in items]  # fmt: skip
        frame = pd.DataFrame(table, columns=["first", "second", "reference", "second_preferred", "distortion"])
    else:
        sign = -1.0 if layout.lower_better else 1.0
        ratings: list[tuple[str, str, float, str]] = []
        for item in items:
            if name == "pieapp":
                reference, image, rating = relative(target / item[0]), target / item[1], item[2]
            elif isinstance(item[1], str | os.PathLike):
                reference, image, rating = relative(item[0]), item[1], item[2]
            else:
                reference, image, rating = "", item[0], item[1]
            ratings.append((relative(image), reference, sign * float(rating), kind(image)))
        frame = pd.DataFrame(ratings, columns=["image", "reference", "rating", "distortion"])
    images = frame["first"] if name == "bapps" else frame["image"]
    frame["content"] = frame["reference"].where(frame["reference"] != "", images)
    return frame


def _checked(entry: SetEntry, rows: pd.DataFrame, root: Path, augment: Mapping[str, Any]) -> RatedSet | MissingSet:
    rows = rows.iloc[:: entry.every].reset_index(drop=True)
    if rows.empty:
        return MissingSet(entry.name, "its table has no rows for this part of its split")
    gone = missing_pictures(rows, root)
    if gone:
        return MissingSet(entry.name, f"{len(gone)} of its pictures are missing, such as {root / gone[0]}")
    kind: SetKind = "pairs" if "first" in rows else "same" if "same" in rows else "ratings"
    view = "pyiqa" + "".join(f" {key} {value}" for key, value in sorted(augment.items()))
    return RatedSet(entry.name, kind, rows, root, entry.rank_by, _reader(augment), view)


def _reader(augment: Mapping[str, Any]) -> Callable[[Path], Tensor]:
    """Return a reader that prepares pictures the way pyiqa's loader does (SPAQ is reduced to 448 pixels)."""
    from pyiqa.data.transforms import transform_mapping
    from torchvision.transforms import Compose
    from torchvision.transforms.functional import to_tensor

    prepare = Compose([step for key, value in augment.items() for step in transform_mapping(key, value)])

    def read(path: Path) -> Tensor:
        with Image.open(path) as picture:
            tensor: Tensor = to_tensor(prepare(picture.convert("RGB")))
        return tensor[None]

    return read
