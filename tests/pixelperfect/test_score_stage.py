"""Stage 2: its losses, written once more by the metric's own answers, and who learns from them."""

import math

import pytest
import torch

from pyiqa_pixelperfect.pixelperfect.config import ScoreStageConfig
from pyiqa_pixelperfect.pixelperfect.described import DescribedSets
from pyiqa_pixelperfect.pixelperfect.dissimilarity import DISSIMILARITIES
from pyiqa_pixelperfect.pixelperfect.losses import info_nce
from pyiqa_pixelperfect.pixelperfect.picture_statistics import STATISTICS
from pyiqa_pixelperfect.pixelperfect.score_network import PairDescription, RelationalScoreNet
from pyiqa_pixelperfect.pixelperfect.score_stage import SMALLEST_VERDICT, ScoreStage

#: Two ladders of two rungs: 0 is clean, 1 and 2 climb, 3 and 4 climb; the first six pairs have a known order.
MEMBERS = ((1, 0), (2, 0), (2, 1), (3, 0), (4, 0), (4, 3), (1, 3), (1, 4), (2, 3), (2, 4))
LADDERS = ((1, 2), (3, 4))
TO_CLEAN = {1: 0, 2: 1, 3: 3, 4: 4}


def described(seed: int = 0, couples: int = 3) -> DescribedSets:
    generator = torch.Generator().manual_seed(seed)
    shape = (couples, 2, len(MEMBERS))
    amounts = torch.rand(*shape, 14, generator=generator)
    mean = amounts * (2 * torch.rand(*shape, 14, generator=generator) - 1)
    statistics = torch.randn(couples, 2, 5, STATISTICS, generator=generator)
    unlike = torch.rand(*shape, 1, generator=generator) * torch.rand(*shape, DISSIMILARITIES, generator=generator)
    judged = torch.randn(couples, 2, 4, 2, generator=generator)
    return DescribedSets(
        statistics, mean, amounts, unlike, judged, torch.tensor(MEMBERS), torch.tensor(LADDERS)
    )  # fmt: skip


def stage_of(**changes) -> ScoreStage:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        score = RelationalScoreNet(hidden=8, embedding=4, ensemble=2)
    settings = {"steps": 1, "crops": 16, "learning_rate": 1.0, "ladders": 2, "rungs": 2}
    return ScoreStage(score, ScoreStageConfig(**{**settings, **changes}))


def one(sets: DescribedSets, couple: int, half: int, pair: int) -> PairDescription:
    sides = [sets.statistics[couple, half, version][None] for version in MEMBERS[pair]]
    return PairDescription(*sides, *(part[couple, half, pair][None] for part in (sets.mean, sets.amounts, sets.unlike)))


def answers(stage: ScoreStage, sets: DescribedSets, couple: int, half: int) -> tuple[list[list[float]], list[float]]:
    """Leads, of each network, and severity of the pairs of one crop, each asked for by itself."""
    pairs = [one(sets, couple, half, pair) for pair in range(len(MEMBERS))]
    with torch.no_grad():
        leads = [stage.score.leads(stage.score.relate(*stage.score.clues(pair)))[:, 0].tolist() for pair in pairs]
        return leads, [stage.score.severity(pair).item() for pair in pairs]


def badness_of(severities: list[float]) -> list[float]:
    """Severity of each version against clean, that of the clean one first."""
    return [0.0, *(severities[TO_CLEAN[version]] for version in (1, 2, 3, 4))]


CROPS = [(couple, half) for couple in range(3) for half in range(2)]


def test_the_hinge_asks_for_the_whole_margin_against_clean_and_for_less_between_rungs():
    stage, sets = stage_of().eval(), described()
    costs = []
    for crop in CROPS:
        leads, severities = answers(stage, sets, *crop)
        badness = badness_of(severities)
        for pair, (worse, better) in enumerate(MEMBERS[:6]):
            verdict = max(SMALLEST_VERDICT, (badness[worse] - badness[better]) / severities[pair])
            wanted = 1.0 if verdict > 0.9999 else math.atanh(verdict) / 5
            assert better or wanted == 1.0
            costs += [max(0.0, min(1.0, wanted) + lead) for lead in leads[pair]]  # pairs are (worse, better)
    assert stage(sets)["rank"].item() == pytest.approx(sum(costs) / len(costs), rel=1e-4)


def test_scores_are_compared_with_their_detour_over_clean():
    stage, sets = stage_of().eval(), described(1)
    errors = []
    for crop in CROPS:
        leads, severities = answers(stage, sets, *crop)
        badness = badness_of(severities)
        for pair, (image, reference) in enumerate(MEMBERS):
            scores = [math.tanh(5 * lead) * severities[pair] for lead in leads[pair]]
            errors += [(score - (badness[reference] - badness[image])) ** 2 for score in scores]
    assert stage(sets)["detour"].item() == pytest.approx(sum(errors) / len(errors), rel=1e-4)


def test_mixtures_of_known_pairs_are_asked_for_the_whole_margin():
    stage, sets = stage_of(weight_mixed=2.0).eval(), described(3)
    score, known = stage.score, 6
    pairs = [one(sets, couple, half, pair) for couple, half in CROPS for pair in range(known)]
    torch.manual_seed(11)
    partner, share = torch.randperm(len(pairs)).tolist(), torch.rand(len(pairs), 1)[:, 0].tolist()
    costs = []
    with torch.no_grad():
        clues = [score.clues(pair) for pair in pairs]
        for pair, (other, weight) in enumerate(zip(partner, share, strict=True)):
            mixed = [weight * mine + (1 - weight) * its for mine, its in zip(clues[pair], clues[other], strict=True)]
            leads = score.leads(score.relate(*mixed))[:, 0].tolist()
            costs += [max(0.0, 1.0 + lead) for lead in leads]  # pairs are (worse, better)
        torch.manual_seed(11)
        losses = stage(sets)
    assert losses["mixed"].item() == pytest.approx(sum(costs) / len(costs), rel=1e-4)
    plain = stage_of().eval()(sets)
    assert "mixed" not in plain
    assert losses["loss"].item() == pytest.approx(plain["loss"].item() + 2 * losses["mixed"].item(), rel=1e-5)


def test_severity_has_to_climb_and_to_be_the_rank_that_teachers_give():
    stage, sets = stage_of(weight_consensus=1.0, teachers=["mdsi"], margin_severity=0.3).eval(), described(2)
    ranks = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(5))
    steps, errors = [], []
    for couple, half in CROPS:
        badness = badness_of(answers(stage, sets, couple, half)[1])
        steps += [max(0.0, 0.3 - (badness[high] - badness[low])) for low, high in LADDERS]
        errors += [(badness[version] - ranks[couple, half, version - 1].item()) ** 2 for version in (1, 2, 3, 4)]
    losses = stage(sets, ranks)
    assert losses["climb"].item() == pytest.approx(sum(steps) / len(steps), rel=1e-4)
    assert losses["consensus"].item() == pytest.approx(sum(errors) / len(errors), rel=1e-4)
    assert "consensus" not in stage(sets)


def test_versions_that_no_teacher_judged_say_nothing():
    stage, sets = stage_of(weight_consensus=1.0, teachers=["mdsi"]).eval(), described(2)
    ranks = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(5))
    few, none = ranks.clone(), torch.full_like(ranks, torch.nan)
    few[1:] = torch.nan
    with torch.no_grad():
        only = stage(sets.rows(torch.tensor([0])), ranks[:1])["consensus"].item()
    losses = stage(sets, few)
    assert losses["consensus"].item() == pytest.approx(only, rel=1e-5)
    losses["loss"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in stage.parameters())
    assert stage(sets, none)["consensus"].item() == 0.0


def test_info_nce_pairs_the_same_rungs_of_both_crops():
    stage, sets = stage_of().eval(), described()
    with torch.no_grad():
        contrasts = []
        for network in stage.score.ensemble:
            vectors = [
                [
                    network.embed(network(*stage.score.clues(one(sets, c, h, TO_CLEAN[v]))))[0]
                    for c in range(3)
                    for v in TO_CLEAN
                ]
                for h in range(2)
            ]
            contrasts.append(info_nce(*(torch.stack(v) for v in vectors)).item())
        assert stage(sets)["contrast"].item() == pytest.approx(sum(contrasts) / 2, rel=1e-4)


def test_the_parts_weigh_as_told():
    weights = {"weight_rank": 2.0, "weight_detour": 3.0, "weight_contrast": 0.25, "weight_consensus": 5.0}
    losses = stage_of(**weights, teachers=["mdsi"]).eval()(described(), torch.rand(3, 2, 4))
    expected = 2 * losses["rank"] + 2 * losses["climb"] + 3 * losses["detour"]
    expected = expected + 0.25 * losses["contrast"] + 5 * losses["consensus"]
    assert losses["loss"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_share_in_order_counts_known_pairs():
    stage, sets = stage_of().eval(), described()
    leads = [sum(lead) for crop in CROPS for lead in answers(stage, sets, *crop)[0][:6]]
    assert stage(sets)["ordered"].item() == pytest.approx(sum(lead < 0 for lead in leads) / len(leads))


def test_equal_pictures_are_not_in_order():
    sets = described()
    nothing = {name: torch.zeros_like(getattr(sets, name)) for name in ("statistics", "mean", "amounts", "unlike")}
    equal = DescribedSets(**nothing, judged=sets.judged, members=sets.members, ladders=sets.ladders)
    losses = stage_of(margin_severity=0.02).eval()(equal)
    assert losses["ordered"].item() == 0.0
    assert losses["rank"].item() == pytest.approx(math.atanh(SMALLEST_VERDICT) / 5)
    assert losses["climb"].item() == pytest.approx(0.02)
    assert losses["detour"].item() == 0.0


def test_verdict_and_severity_learn_apart():
    stage = stage_of(weight_consensus=1.0, teachers=["mdsi"]).eval()
    losses = stage(described(), torch.rand(3, 2, 4))
    severity = list(stage.score.severity_network.parameters())
    verdict = [weight for network in stage.score.ensemble for weight in network.trunk.parameters()]
    for name in ("rank", "detour", "contrast"):
        losses[name].backward(retain_graph=True)
        assert all(p.grad is None or not p.grad.any() for p in severity)
        assert all(p.grad.any() for p in verdict)
        stage.zero_grad()
    for name in ("climb", "consensus"):
        losses[name].backward(retain_graph=True)
        assert all(p.grad.any() for p in severity)
        assert all(p.grad is None or not p.grad.any() for p in verdict)
        stage.zero_grad()


def test_every_parameter_learns():
    stage = stage_of(weight_consensus=1.0, teachers=["mdsi"]).train()
    stage(described(), torch.rand(3, 2, 4))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in stage.score.parameters())


def test_some_steps_put_a_small_set_in_order():
    stage, sets = stage_of(weight_contrast=0.0, weight_detour=0.0, dropout=0.0), described(couples=4)
    optimizer = torch.optim.Adam(stage.parameters(), lr=0.01)
    before = stage(sets)["ordered"].item()
    for _ in range(100):
        optimizer.zero_grad()
        stage(sets)["loss"].backward()
        optimizer.step()
    assert before < 0.8
    assert stage.eval()(sets)["ordered"].item() > 0.95
