"""A rated set in memory: who rated what, and how to read its pictures. No set is downloaded, ever."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from torch import Tensor

from benchmark.leaderboard.config import RankBy
from pyiqa_pixelperfect.images import read_image

__all__ = ["ANY", "MissingSet", "Picture", "RatedSet", "SetKind", "missing_pictures"]

ANY = "any"  # distortion type of sets that do not tell

Picture: TypeAlias = tuple[str, str]
"""Image and reference, as the set names them; the reference is empty where there is none."""

SetKind: TypeAlias = Literal["ratings", "pairs", "same"]
"""What people said: one opinion per image, which of two images they prefer, or whether two look the same."""


@dataclass(frozen=True)
class MissingSet:
    """A set that cannot be measured.

    Attributes:
        name: its name.
        reason: one line: what is missing, and what to put where.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class RatedSet:
    """Pictures with opinions.

    Attributes:
        name: as in the configuration.
        kind: ``ratings``, ``pairs`` or ``same``.
        rows: for ratings the columns ``image``, ``reference`` (empty where there is none), ``rating`` (turned so that
            higher is better), ``content`` (what bootstrap samples are made of) and ``distortion``; for pairs ``first``,
            ``second``, ``reference``, ``second_preferred`` (share of people in [0, 1]), ``content`` and ``distortion``;
            for ``same`` as for ratings, with ``same`` (share of people who see no difference, in [0, 1]) for them.
        folder: what the paths in ``rows`` are relative to.
        rank_by: the correlation that orders metrics on this set.
        read: file to image ``(1, 3, H, W)`` in ``[0, 1]``.
        view: names whatever ``read`` does beyond decoding; scores of another view are other scores.
    """

    name: str
    kind: SetKind
    rows: pd.DataFrame
    folder: Path
    rank_by: RankBy = "srcc"
    read: Callable[[Path], Tensor] = field(default=read_image)
    view: str = ""

    @property
    def has_references(self) -> bool:
        """Whether full-reference metrics apply."""
        return bool((self.rows["reference"] != "").all())

    def pictures(self) -> list[Picture]:
        """Return what has to be scored, every pair of image and reference once, in the order of the rows."""
        columns = ("first", "second") if self.kind == "pairs" else ("image",)
        found = zip(*(self.rows[column] for column in columns), self.rows["reference"], strict=True)
        return list(dict.fromkeys((str(image), str(row[-1])) for row in found for image in row[:-1]))

    def fingerprint(self, hashes: dict[str, str]) -> str:
        """Return the sha256 over all rows with file names replaced by the hashes of the files."""
        digest = hashlib.sha256(self.view.encode())
        for row in self.rows.itertuples(index=False):
            cells = [hashes.get(str(cell), str(cell)) for cell in row]
            digest.update("\t".join(cells).encode() + b"\n")
        return digest.hexdigest()


def missing_pictures(rows: pd.DataFrame, folder: Path) -> list[str]:
    """Return the pictures that a table names and the folder does not have, in order, each once."""
    columns = [name for name in ("image", "first", "second", "reference") if name in rows]
    names = pd.unique(np.concatenate([rows[column].to_numpy(dtype=object) for column in columns]))
    return [str(name) for name in names if name and not (folder / str(name)).is_file()]
