import socket
import urllib.request

import numpy as np
import pytest
import torch

from benchmark.leaderboard.config import MetricEntry
from benchmark.leaderboard.offline import NetworkClosedError, no_network
from benchmark.leaderboard.predictors import (
    PIQ_LOWER_BETTER,
    Predictor,
    Unavailable,
    build_predictor,
    whole_reason,
)


def build(name, weights=None, **settings):
    with no_network():
        return build_predictor(MetricEntry(name=name, **settings), weights, "cpu")


@pytest.fixture(scope="module")
def pair():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 14, 14, generator=generator)
    reference = torch.nn.functional.interpolate(coarse, size=(192, 192), mode="bilinear")
    return (reference + 0.05 * torch.randn(reference.shape, generator=generator)).clamp(0, 1), reference


def test_pyiqas_metrics_score_as_pyiqa_does(pair):
    import pyiqa

    predictor = build("gmsd")
    assert (predictor.mode, predictor.lower_better) == ("FR", True)
    assert predictor.score(*pair) == float(pyiqa.create_metric("gmsd", device="cpu")(*pair))


def test_options_reach_the_metric_and_its_identity(pair):
    plain, other = build("psnr"), build("psnr-y", metric="psnr", options={"test_y_channel": True})
    assert plain.score(*pair) != other.score(*pair)
    assert plain.identity != other.identity
    assert plain.identity == build("another name", metric="psnr").identity


def test_ours_are_pyiqas_too(pair):
    from pyiqa_pixelperfect import PixelPerfect

    predictor = build("pixelperfect")
    assert predictor.score(*pair) == pytest.approx(float(PixelPerfect.load()(*pair)), abs=1e-6)


@pytest.mark.parametrize("name", PIQ_LOWER_BETTER)
def test_piqs_functions_prefer_the_clean_image(name, pair):
    predictor = build(name, source="piq")
    damaged, clean = predictor.score(*pair), predictor.score(pair[1], pair[1])
    assert (damaged > clean) is PIQ_LOWER_BETTER[name]


def test_no_reference_metrics_never_see_the_reference(pair):
    predictor = build("piqe")
    assert predictor.mode == "NR"
    assert predictor.score(pair[0], None) == predictor.score(*pair)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lpips", "weights not available"),
        ("brisque", "weights not available"),
        ("topiq_fr", "weights not available"),
        ("clipiqa", "needs the Python module"),
        ("grepk", "knows no metric 'grepk'"),
        ("inception_score", "whole folders"),
    ],
)
def test_what_cannot_be_had_says_why_at_once(name, reason, capfd, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    found = build(name)
    assert isinstance(found, Unavailable)
    assert reason in found.reason
    assert "\n" not in found.reason
    assert not waits  # as there are minutes of them between retries
    assert capfd.readouterr().out == ""


def test_wrong_options_and_functions_are_rows_too(tmp_path):
    assert "unexpected keyword" in build("ssim", options={"colour": 1}).reason
    assert "not among piq's functions" in build("lpips", source="piq").reason
    assert "set weights=" in build("lpips-squeeze", source="lpips-squeeze").reason
    assert "squeezenet1_1_features" in build("lpips-squeeze", weights=tmp_path, source="lpips-squeeze").reason
    assert build("topiq_nr").mode == "NR"


def predictor_of(function):
    return Predictor("own", "FR", False, "identity", function)


@pytest.mark.parametrize("answer", [torch.tensor(float("nan")), torch.tensor([1.0, 2.0]), torch.tensor(float("inf"))])
def test_answers_that_are_no_number_fail(answer, pair):
    with pytest.raises(ValueError, match="its answer is"):
        predictor_of(lambda *_: answer).score(*pair)


def test_random_metrics_depend_on_the_seed_alone_and_leave_no_trace(pair):
    predictor = predictor_of(lambda *_: torch.rand(1) + np.random.rand())  # noqa: NPY002
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    values = [predictor.score(*pair, seed=seed) for seed in (1, 2, 1)]
    assert values[0] == values[2] != values[1]
    assert (np.random.get_state()[1] == before[0]).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


def test_the_network_is_closed_and_open_again():
    before = socket.socket.connect
    with no_network():
        with pytest.raises(NetworkClosedError):
            socket.create_connection(("127.0.0.1", 9))
        with pytest.raises(urllib.error.URLError, match="network is closed"):
            urllib.request.urlopen("http://example.com", timeout=5)
        import huggingface_hub.constants as hub

        assert hub.HF_HUB_OFFLINE
    assert socket.socket.connect is before
    with no_network(closed=False):
        assert socket.socket.connect is before


def test_local_sockets_stay_open(tmp_path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "s"))
    server.listen()
    with no_network(), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
    server.close()


def test_reasons_look_through_the_chain():
    wrapped = RuntimeError("could not load")
    wrapped.__cause__ = NetworkClosedError("closed")
    assert "weights not available" in whole_reason(wrapped)
    assert whole_reason(ValueError("two\nlines")) == "ValueError: two lines"
