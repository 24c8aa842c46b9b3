import pytest


@pytest.fixture(scope="session")
def rated_folder(tmp_path_factory):
    """Twelve crops of scikit-image's pictures under three tools at three strengths, with planted ratings."""
    from benchmark.leaderboard.config import SetEntry
    from benchmark.leaderboard.planted import load_planted_set

    folder = tmp_path_factory.mktemp("rated")
    load_planted_set(SetEntry(name="planted", source="planted"), folder, seed=0)
    return folder


@pytest.fixture
def settings(rated_folder, tmp_path):
    """A configuration of few pictures and fast metrics, to be changed by keyword."""
    from benchmark.leaderboard.config import LeaderboardConfig

    def make(**changes):
        every = changes.pop("every", 9)
        rated = {"name": "rated", "source": "csv", "table": "planted-0/pairs.csv", "every": every}
        start = {"root": rated_folder, "datasets": [rated], "metrics": ["psnr", "gmsd"], "output": tmp_path / "out",
                 "bootstrap": 20}  # fmt: skip
        return LeaderboardConfig.model_validate(start | changes)

    return make
