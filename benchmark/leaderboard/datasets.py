"""From configured sets to sets in memory, whatever their source."""

from benchmark.leaderboard.config import LeaderboardConfig, SetEntry
from benchmark.leaderboard.csv_sets import load_csv_set
from benchmark.leaderboard.planted import load_planted_set
from benchmark.leaderboard.pyiqa_sets import load_pyiqa_set
from benchmark.leaderboard.rated_set import MissingSet, RatedSet
from pyiqa_pixelperfect.errors import DataError

__all__ = ["load_sets"]


def load_sets(config: LeaderboardConfig) -> tuple[list[RatedSet], list[MissingSet]]:
    """Load every configured set that is on this machine; nothing is downloaded.

    Returns:
        The sets found, and a line on each of the others.

    Raises:
        DataError: a table is malformed, or not one set is here.
    """
    loaded = [_load(entry, config) for entry in config.datasets]
    found = [item for item in loaded if isinstance(item, RatedSet)]
    missing = [item for item in loaded if isinstance(item, MissingSet)]
    if not found:
        lines = "; ".join(f"{item.name}: {item.reason}" for item in missing)
        raise DataError("datasets", "at least one set that is on this machine", f"none ({lines})")
    return found, missing


def _load(entry: SetEntry, config: LeaderboardConfig) -> RatedSet | MissingSet:
    if entry.source == "csv":
        return load_csv_set(entry, config.root)
    if entry.source == "planted":
        return load_planted_set(entry, config.score_folder.parent, config.seed)
    return load_pyiqa_set(entry, config.root)
