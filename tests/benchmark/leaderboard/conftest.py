import pytest


@pytest.fixture(scope="session")
def rated_folder(tmp_path_factory):
    """Twelve crops of scikit-image's pictures under three tools at three strengths, with planted ratings."""
    from benchmark.leaderboard.config import SetEntry
    from benchmark.leaderboard.planted import load_planted_set

    folder = tmp_path_factory.mktemp("rated")
    load_planted_set(SetEntry(name="planted", source="planted"), folder, seed=0)
    return folder


@pytest.fixture(scope="session")
def settings_in(rated_folder):
    """A configuration of few pictures and fast metrics with its output in a folder, to be changed by keyword."""
    from benchmark.leaderboard.config import LeaderboardConfig

    def make(output, every=9, **changes):
        rated = {"name": "rated", "source": "csv", "table": "planted-0/pairs.csv", "every": every}
        start = {"root": rated_folder, "datasets": [rated], "metrics": ["psnr", "gmsd"], "output": output,
                 "bootstrap": 20}  # fmt: skip
        return LeaderboardConfig.model_validate(start | changes)

    return make


@pytest.fixture
def settings(settings_in, tmp_path):
    """The same in the test's own folder."""

    def make(**changes):
        return settings_in(**{"output": tmp_path / "out"} | changes)

    return make
