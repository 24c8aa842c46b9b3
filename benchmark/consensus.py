"""Does the score order damage as the closed-form metrics do together?

Held-out photos under every real tool at three strengths, every type of KADIS-700k at its levels, or further types of
rated databases, see ``rated_types``. VSI, MDSI, HaarPSI
and FSIM each rank all these versions; the mean of the four ranks is the consensus, made without any label. Reported are
Spearman's correlations of the score against the clean photo, and of each single metric, with it: over all versions, and
within each photo. A teacher is part of the consensus, so its own row is flattered; ``others`` leaves it out. And since
the score also says which of two pictures is the better one: which versions does it call better than their photo?
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmark.peers import Peer
from benchmark.photos import Photo, to_tensor
from benchmark.rated_types import RATED_TYPES
from benchmark.report import target
from benchmark.schema import Target
from benchmark.statistics import Values, interval, reference_srccs, resample_groups, srcc
from benchmark.tool_versions import ToolVersion, every_kadis_version, every_version

__all__ = ["JUDGES", "VERSIONS", "called_better", "consensus_of", "consensus_targets", "measure", "summarize"]

#: Makers of versions of a photo by a seed, by the names that the command takes.
VERSIONS: dict[str, Callable[[Photo, int], Iterator[ToolVersion]]] = {
    "tools": every_version,
    "kadis": every_kadis_version,
    "rated": partial(every_version, tools=RATED_TYPES),
}

JUDGES = ("vsi", "mdsi", "haarpsi", "fsim")


def measure(peers: Sequence[Peer], photos: Iterable[Photo], *, versions: str = "tools", seed: int) -> pd.DataFrame:
    """Score every version of every photo by every metric, higher for better; a row per version.

    Args:
        peers: the metrics.
        photos: whole photos.
        versions: one of ``VERSIONS``.
        seed: of what is random in versions.
    """
    rows = []
    for photo in photos:
        clean = to_tensor(photo.pixels)
        for version in VERSIONS[versions](photo, seed):
            row: dict[str, object] = {
                "photo": photo.name,
                "tool": version.tool,
                "family": version.family,
                "strength": version.strength,
            }
            image = to_tensor(version.pixels)
            rows.append(row | {peer.name: float(peer.oriented(image, clean)[0]) for peer in peers})
    return pd.DataFrame(rows)


def consensus_of(rows: pd.DataFrame, judges: Sequence[str] = JUDGES) -> Values:
    """Mean rank of every row over the judges; higher for better."""
    ranks: Values = np.mean([stats.rankdata(rows[name]) for name in judges], axis=0)
    return ranks


def summarize(rows: pd.DataFrame, names: Sequence[str], *, repeats: int = 1000, seed: int = 0) -> pd.DataFrame:
    """One row per metric: ``overall`` with interval over photos, ``others``, ``within`` photos, worst family."""
    samples = resample_groups(rows["photo"].tolist(), repeats, seed)
    table = []
    for name in names:
        scores = rows[name].to_numpy(dtype=np.float64)
        ranks = consensus_of(rows)
        others = consensus_of(rows, [judge for judge in JUDGES if judge != name])
        low, high = interval(partial(_srcc_of_rows, scores, ranks), samples)
        families = {
            family: srcc(scores[part], ranks[part])
            for family, part in rows.groupby("family", sort=False).indices.items()
        }
        table.append(
            {
                "metric": name,
                "overall": srcc(scores, ranks),
                "overall_low": low,
                "overall_high": high,
                "others": srcc(scores, others),
                "within": float(reference_srccs(scores, ranks, rows["photo"].tolist()).mean()),
                **{f"in {family}": value for family, value in families.items()},
            }
        )
    return pd.DataFrame(table)


def called_better(rows: pd.DataFrame) -> pd.DataFrame:
    """Versions that the score calls better than the photo they were made from, the most sure of them first."""
    wrong = rows.loc[rows["pixelperfect"] > 0, ["photo", "tool", "strength", "pixelperfect"]]
    return wrong.sort_values("pixelperfect", ascending=False, ignore_index=True)


def consensus_targets(table: pd.DataFrame) -> list[Target]:
    """Return the promised correlation beside the measured one."""
    ours = float(table.loc[table["metric"] == "pixelperfect", "overall"].iloc[0])
    return [target("SRCC with the mean rank of VSI, MDSI, HaarPSI, FSIM", ours, 0.95, None, at_least=True)]


def _srcc_of_rows(scores: Values, ranks: Values, rows: NDArray[np.int64]) -> float:
    return srcc(scores[rows], ranks[rows])
