"""Stage 2: its losses, written once more by the metric's own answers, and who learns from them."""

import pytest
import torch
from torch import Tensor

from pyiqa_pixelperfect.pixelperfect.config import ScoreStageConfig
from pyiqa_pixelperfect.pixelperfect.described import DescribedSets
from pyiqa_pixelperfect.pixelperfect.losses import agreement_loss, hinge_loss, info_nce
from pyiqa_pixelperfect.pixelperfect.picture_statistics import STATISTICS
from pyiqa_pixelperfect.pixelperfect.score_network import PairDescription, RelationalScoreNet
from pyiqa_pixelperfect.pixelperfect.score_stage import ScoreStage

#: Two ladders of two rungs; 7 pairs: (1, 0), (2, 0), (2, 1), (3, 0), (4, 0), (4, 3) are known, (2, 4) is not.
TO_CLEAN = torch.tensor([[0, 1], [3, 4]])


def described(seed: int = 0, couples: int = 3) -> DescribedSets:
    generator = torch.Generator().manual_seed(seed)
    shape = (couples, 2, 7)
    amounts = torch.rand(*shape, 14, generator=generator)
    mean = amounts * (2 * torch.rand(*shape, 14, generator=generator) - 1)
    votes = torch.randint(-1, 2, (couples, 2, 1), generator=generator).float()
    difference, error = torch.randn(*shape, STATISTICS, generator=generator), torch.rand(*shape, generator=generator)
    return DescribedSets(difference, mean, amounts, 0.02 * error, votes, TO_CLEAN)


def stage_of(**changes) -> ScoreStage:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        score = RelationalScoreNet(hidden=8, embedding=4)
    settings = {"steps": 1, "crops": 16, "learning_rate": 1.0, "ladders": 2, "rungs": 2}
    return ScoreStage(score, ScoreStageConfig(**{**settings, **changes}))


def one(sets: DescribedSets, couple: int, half: int, pair: int) -> PairDescription:
    parts = (sets.difference, sets.mean, sets.amounts, sets.error)
    return PairDescription(*(part[couple, half, pair][None] for part in parts))


def lead(stage: ScoreStage, pairs: PairDescription) -> Tensor:
    return stage.score.lead(stage.score.relation(pairs))[0]


def test_the_loss_is_hinge_and_info_nce_of_the_paper():
    stage, sets = stage_of().eval(), described()
    with torch.no_grad():
        losses = stage(sets)
        leads = torch.stack([lead(stage, one(sets, c, h, p)) for c in range(3) for h in range(2) for p in range(6)])
        vectors = [
            [stage.score.embed(stage.score.relation(one(sets, c, h, p)))[0] for c in range(3) for p in (0, 1, 3, 4)]
            for h in range(2)
        ]
        contrast = info_nce(*(torch.stack(v) for v in vectors))
        rungs = torch.stack([
            torch.stack([stage.score.severity(one(sets, c, h, p))[0] for p in ladder])
            for c in range(3) for h in range(2) for ladder in ((0, 1), (3, 4))
        ])  # fmt: skip
    climb = torch.relu(1.0 - (rungs[:, 1] - rungs[:, 0]) / 0.05).mean()
    assert losses["climb"].item() == pytest.approx(climb.item(), rel=1e-4)
    # Pairs are (worse, better): the lead of the better one is the negative.
    assert losses["rank"].item() == pytest.approx(hinge_loss(-leads, torch.zeros(36)).item(), rel=1e-5)
    assert losses["contrast"].item() == pytest.approx(contrast.item(), rel=1e-4)
    assert losses["ordered"].item() == pytest.approx((leads < 0).float().mean().item())
    parts = losses["rank"] + losses["climb"] + 0.5 * losses["contrast"]
    assert losses["loss"].item() == pytest.approx(parts.item(), rel=1e-6)


def test_votes_judge_the_pair_itself_and_both_against_clean():
    stage, sets = stage_of(weight_consensus=0.7, teachers=["mdsi"], margin_severity=0.3).eval(), described(1)
    with torch.no_grad():
        losses = stage(sets)
        itself, apart, votes = [], [], []
        for couple in range(3):
            for half in range(2):
                itself.append(lead(stage, one(sets, couple, half, 6)))
                first, second = (stage.score.severity(one(sets, couple, half, pair))[0] for pair in (1, 4))
                apart.append((second - first) / 0.3)  # a vote for the first: it is the less severe one
                votes.append(sets.votes[couple, half, 0])
        votes = torch.stack(votes)
        expected = 0.5 * agreement_loss(torch.stack(itself), votes, margin=1.0)
        expected += 0.5 * agreement_loss(torch.stack(apart), votes)
    assert votes.abs().sum() > 2
    assert losses["agreement"].item() == pytest.approx(expected.item(), rel=1e-4)
    parts = losses["rank"] + losses["climb"] + 0.5 * losses["contrast"] + 0.7 * losses["agreement"]
    assert losses["loss"].item() == pytest.approx(parts.item(), rel=1e-6)


def test_the_parts_weigh_as_told():
    losses = stage_of(weight_rank=2.0, weight_contrast=0.0).eval()(described())
    assert losses["loss"].item() == pytest.approx(2.0 * (losses["rank"] + losses["climb"]).item(), rel=1e-6)


def test_equal_pictures_are_not_in_order():
    sets = described()
    nothing = {name: torch.zeros_like(getattr(sets, name)) for name in ("difference", "mean", "amounts", "error")}
    losses = stage_of().eval()(DescribedSets(**nothing, votes=sets.votes, to_clean=TO_CLEAN))
    assert losses["ordered"].item() == 0.0
    assert losses["rank"].item() == losses["climb"].item() == pytest.approx(1.0)


def test_verdict_and_severity_learn_apart():
    stage = stage_of(weight_contrast=0.0).eval()
    losses = stage(described())
    losses["rank"].backward(retain_graph=True)
    severity = [getattr(stage.score, name) for name in ("family_weights", "distance_weights", "gain")]
    assert all(p.grad is None or not p.grad.any() for p in severity)
    stage.zero_grad()
    losses["climb"].backward()
    assert all(p.grad.any() for p in severity)
    assert all(p.grad is None or not p.grad.any() for p in stage.score.trunk.parameters())


def test_every_parameter_learns():
    stage = stage_of(weight_consensus=1.0, teachers=["mdsi"]).train()
    stage(described())["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in stage.score.parameters())


def test_some_steps_put_a_small_set_in_order():
    stage, sets = stage_of(weight_contrast=0.0, dropout=0.0), described(couples=4)
    optimizer = torch.optim.Adam(stage.parameters(), lr=0.01)
    before = stage(sets)["ordered"].item()
    for _ in range(100):
        optimizer.zero_grad()
        stage(sets)["loss"].backward()
        optimizer.step()
    assert before < 0.8
    assert stage.eval()(sets)["ordered"].item() > 0.95
