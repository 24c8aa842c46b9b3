import torch

from benchmark import antisymmetry


class Biased(torch.nn.Module):
    """A wrapper that spoils one promise by a known amount."""

    def __init__(self, metric, maps=0.0, score=0.0):
        super().__init__()
        self._metric, self._maps, self._score = metric, maps, score

    def maps(self, image, reference):
        return self._metric.maps(image, reference) + self._maps

    def forward(self, image, reference):
        return self._metric(image, reference) + self._score


def test_pairs_are_odd_random_and_alternate():
    pairs = list(antisymmetry.make_pairs(24, seed=0))
    assert [pair.origin for pair in pairs[:4]] == ["noise", "photo", "noise", "photo"]
    sizes = {tuple(pair.first.shape[-2:]) for pair in pairs}
    assert len(sizes) > 20
    for pair in pairs:
        assert pair.first.shape == pair.second.shape
        assert all(side % 2 == 1 and 33 <= side <= 301 for side in pair.first.shape[-2:])
        assert not torch.equal(pair.first, pair.second)
        assert pair.first.dtype == torch.float32


def test_mirrored_metric_passes(fake_metric):
    rows = antisymmetry.measure(fake_metric, antisymmetry.make_pairs(6))
    assert all(verdict.reached for verdict in antisymmetry.antisymmetry_targets(rows))
    assert antisymmetry.worst(rows)["pairs"].tolist() == [3, 3]


def test_spoiled_promises_are_seen(fake_metric):
    rows = antisymmetry.measure(Biased(fake_metric, maps=1e-3), antisymmetry.make_pairs(4))
    assert [verdict.reached for verdict in antisymmetry.antisymmetry_targets(rows)] == [False, True, False, True]
    rows = antisymmetry.measure(Biased(fake_metric, score=1e-3), antisymmetry.make_pairs(4))
    assert [verdict.reached for verdict in antisymmetry.antisymmetry_targets(rows)] == [True, False, True, False]
