"""The metric a user holds: comparing and ranking."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from noisy_pictures import pictures
from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.errors import ImageError
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.pixelperfect import metric as metric_module
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet


def test_maps_have_the_size_of_the_picture(small):
    image, reference = pictures(1, 2, 49, 70)
    maps = small.maps(image, reference)
    assert maps.shape == (1, 14, 49, 70)
    assert (maps + small.maps(reference, image) - 1).abs().max() <= 1e-6
    assert torch.equal(small.maps(image, image), torch.full_like(maps, 0.5))
    assert torch.equal(small(image, image), torch.zeros(1))


def test_severity_is_the_score_without_its_verdict(small):
    versions = torch.cat(pictures(6, 4))
    images, references = versions[1:], versions[:1].expand(3, -1, -1, -1)
    severity = small.severity(images, references)
    assert torch.equal(severity, small.severity(references, images))
    assert (severity.diff() > 0).all()  # more and more noise
    assert ((severity > 0) & (severity < 1)).all()
    assert torch.equal(small.severity(images, images), torch.zeros(3))
    verdict = small(images, references) / severity
    assert (verdict.abs() <= 1).all()
    with torch.no_grad():
        small.score_network.ensemble[0].head.weight.mul_(1e4)  # as sure as can be
    assert torch.allclose(small(images, references).abs(), severity, atol=1e-6)


def test_severity_does_not_ask_the_map_network(small, monkeypatch):
    image, reference = pictures(6, 2)
    monkeypatch.setattr(small.map_network, "encode", None)
    image.requires_grad_()
    small.severity(image, reference).backward()
    assert image.grad.isfinite().all()
    assert image.grad.any()


def test_density_averages_to_the_score(small):
    image, reference = (torch.cat(pair) for pair in zip(pictures(2, 2), pictures(3, 2), strict=True))
    density = small.density(image, reference)
    assert density.shape == (2, 1, 64, 80)
    assert (density.mean((1, 2, 3)) - small(image, reference)).abs().max() <= 1e-6
    assert torch.allclose(density, -small.density(reference, image), atol=1e-6)


def test_density_of_odd_sizes_averages_to_nearly_the_score(small):
    """The last cells reach past the picture, and count whole in the score."""
    image, reference = pictures(2, 2, 97, 118)
    density = small.density(image, reference)
    assert density.shape == (1, 1, 97, 118)
    assert density.mean().item() == pytest.approx(small(image, reference).item(), rel=0.1)


def test_gray_pictures_are_gray_color_pictures(small):
    image, reference = (picture[:, :1] for picture in pictures(4, 2))
    assert torch.equal(small(image, reference), small(image.expand(-1, 3, -1, -1), reference.expand(-1, 3, -1, -1)))


def test_n4_a_loss_has_gradients_inside_and_just_outside_the_range(small):
    image, reference = pictures(5, 2)
    image = (image * 1.02 - 0.01).requires_grad_()
    (-small(image, reference)).sum().backward()
    assert image.grad.isfinite().all()
    assert image.grad.abs().sum() > 0
    outside = (image < 0) | (image > 1)
    assert outside.any()
    assert image.grad[outside].abs().sum() > 0


def test_compare_says_what_forward_and_maps_say(small):
    image, reference = pictures(6, 2)
    result = small.compare(image, reference)
    assert torch.equal(result.score, small(image, reference).detach())
    assert torch.equal(result.maps, small.maps(image, reference).detach())
    assert not result.score.requires_grad
    assert result.families == FAMILIES


def test_compare_takes_paths_pil_images_and_tensors(small, tmp_path):
    image, reference = ((picture[0].permute(1, 2, 0) * 255).round().byte().numpy() for picture in pictures(7, 2))
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(reference).save(tmp_path / "b.png")
    tensors = [torch.from_numpy(a.astype(np.float32) / 255).permute(2, 0, 1) for a in (image, reference)]
    scores = [
        small.compare(tmp_path / "a.png", str(tmp_path / "b.png")).score,
        small.compare(Image.fromarray(image), Image.fromarray(reference)).score,
        small.compare(*tensors).score,
    ]
    assert torch.equal(scores[0], scores[1])
    assert torch.allclose(scores[0], scores[2], atol=1e-6)


@pytest.mark.parametrize("method", ["compare", "forward", "maps", "density", "severity"])
def test_mismatched_pictures_are_refused(small, method):
    with pytest.raises(ImageError):
        getattr(small, method)(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 72))
    with pytest.raises(ImageError, match="reference"):
        getattr(small, method)(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64) * math.nan)


def test_compare_refuses_values_outside_the_range_by_the_name_of_the_argument(small):
    with pytest.raises(ImageError, match=r"^reference: expected values in"):
        small.compare(torch.rand(3, 64, 64), torch.rand(3, 64, 64) * 3)


def test_ranking_agrees_with_comparing(small):
    reference, *candidates = pictures(8, 5)
    candidates.insert(1, reference)
    ranking = small.rank(candidates, reference)
    for i, candidate in enumerate(candidates):
        alone = small.compare(candidate, reference)
        assert abs(ranking.scores[i] - alone.score[0]) <= 1e-5
        amounts = {row.family: row.amount for row in alone.summary().rows}
        assert {row.family: row.amount for row in ranking.summaries[i].rows} == pytest.approx(amounts, abs=1e-5)
        for j, other in enumerate(candidates):
            assert abs(ranking.pairwise[i, j] - small.compare(candidate, other).score[0]) <= 1e-5
    assert torch.equal(ranking.pairwise, -ranking.pairwise.T)
    assert torch.equal(ranking.pairwise.diagonal(), torch.zeros(5))
    assert ranking.scores[1] == 0
    assert ranking.order == torch.argsort(ranking.scores, descending=True, stable=True).tolist()
    assert ranking.scores.abs().max() > 1e-3


def test_ranking_agrees_with_comparing_where_antisymmetry_was_only_learned():
    with seeded_weights(1):
        maps = DistortionMapNet(14, (4, 6, 8, 8, 12), (8, 8, 12, 12), antisymmetric=False)
        metric = PixelPerfect(maps.eval(), RelationalScoreNet(hidden=16, embedding=4)).eval()
    reference, *candidates = pictures(8, 4)
    alone = [metric.compare(candidate, reference) for candidate in candidates]
    ranking = metric.rank(candidates, reference)
    assert ranking.scores.tolist() == pytest.approx([result.score.item() for result in alone], abs=1e-6)
    for summary, result in zip(ranking.summaries, alone, strict=True):
        amounts = [row.amount for row in result.summary().rows]
        assert [row.amount for row in summary.rows] == pytest.approx(amounts, abs=1e-6)
    back = metric.compare(reference, candidates[0])
    assert (back.maps + alone[0].maps - 1).abs().max() > 1e-3  # so it does matter which of the two comes first


def test_ranking_encodes_every_picture_once(small, monkeypatch):
    calls = []
    encode = small.map_network.encode
    monkeypatch.setattr(small.map_network, "encode", lambda images: calls.append(len(images)) or encode(images))
    small.rank(pictures(9, 4), pictures(9, 1)[0])
    assert sum(calls) == 5


def test_without_a_reference_the_least_beaten_candidate_stands_in(small, monkeypatch):
    """Scores, maps and words are those against it."""
    candidates = pictures(12, 4)[::-1]
    calls, encode = [], small.map_network.encode
    monkeypatch.setattr(small.map_network, "encode", lambda images: calls.append(len(images)) or encode(images))
    ranking = small.rank(candidates)
    assert sum(calls) == 4
    other = ranking.stands_in
    assert other == int(ranking.pairwise.min(dim=1).values.argmax()) != 0  # the first would hide a lot
    against = small.rank(candidates, candidates[other])
    assert against.stands_in is None
    assert torch.equal(ranking.pairwise, against.pairwise)
    assert torch.equal(ranking.scores, against.scores)
    assert torch.equal(ranking.scores, ranking.pairwise[:, other])
    assert ranking.order == against.order
    told = [summary.to_dict() for summary in ranking.summaries]
    assert told == [summary.to_dict() for summary in against.summaries]
    assert ranking.summaries[other].verdict == "image and reference look the same"
    # Pictures whose maps would take too much memory are encoded again, and all is as before.
    calls.clear()
    monkeypatch.setattr(metric_module, "_KEPT_MAPS", 6 * 14 * 16 * 20 - 1)
    again = small.rank(candidates)
    assert sum(calls) == 8
    assert torch.equal(again.pairwise, ranking.pairwise)
    assert [summary.to_dict() for summary in again.summaries] == told


def test_a_single_candidate_stands_in_for_itself(small):
    ranking = small.rank(pictures(13, 1))
    assert (ranking.order, ranking.stands_in) == ([0], 0)
    assert ranking.scores.tolist() == [0.0]


def test_candidates_without_a_reference_have_the_size_of_the_first(small):
    with pytest.raises(ImageError, match=r"candidates\[1\]: expected one picture of the size of candidates\[0\]"):
        small.rank([torch.rand(3, 64, 64), torch.rand(3, 64, 72)])
    with pytest.raises(ImageError, match=r"candidates\[0\]: expected one picture"):
        small.rank([torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)])


def test_ranking_one_candidate_and_ties(small):
    reference = pictures(10, 1)[0]
    ranking = small.rank([reference], reference)
    assert ranking.order == [0]
    assert ranking.scores.tolist() == [0.0]
    assert ranking.pairwise.tolist() == [[0.0]]
    assert small.rank([reference, reference, reference], reference).order == [0, 1, 2]


def test_ranking_a_batch_tensor_ranks_its_pictures(small):
    reference, *candidates = pictures(11, 4)
    listed, stacked = small.rank(candidates, reference), small.rank(torch.cat(candidates), reference)
    assert torch.equal(listed.scores, stacked.scores)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ([], "candidates: expected at least one picture, got none"),
        ("a.png", "candidates: expected a sequence of pictures, got a single str"),
        (Path("a.png"), "candidates: expected a sequence"),
        (Image.new("RGB", (64, 64)), "candidates: expected a sequence"),
        ([torch.rand(3, 64, 64), torch.rand(3, 64, 72)], r"candidates\[1\]: expected one picture of the size"),
        ([torch.rand(2, 3, 64, 64)], r"candidates\[0\]: expected one picture"),
        ([torch.rand(3, 64, 64), torch.rand(3, 64, 64) + 1], r"candidates\[1\]: expected values in"),
    ],
)
def test_candidates_that_cannot_be_ranked_are_refused(small, candidates, message):
    with pytest.raises(ImageError, match=message):
        small.rank(candidates, torch.rand(1, 3, 64, 64))


def test_a_batch_of_references_cannot_be_ranked_against(small):
    with pytest.raises(ImageError, match="reference: expected one picture, got a batch of 2"):
        small.rank([torch.rand(3, 64, 64)], torch.rand(2, 3, 64, 64))
