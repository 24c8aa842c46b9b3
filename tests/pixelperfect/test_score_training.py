"""Stage 2: what teachers are asked about."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.fields import FIELD_SHAPES
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.pixelperfect.config import ScoreStageConfig
from pyiqa_pixelperfect.pixelperfect.consensus import consensus_ranks
from pyiqa_pixelperfect.pixelperfect.score_training import _badness

BATCHES, PHOTOS, LADDERS, RUNGS, SEED = 3, 4, 2, 2, 5
ENGINE = DistortionEngine(PlanSettings(untouched=0.0, counts=(0.5, 0.5), shapes=(0.4, 0.6, 0.0, 0.0, 0.0, 0.0)))


def run_of(**changes) -> SimpleNamespace:
    size = {"crops": BATCHES * PHOTOS, "photos": PHOTOS, "ladders": LADDERS, "rungs": RUNGS}
    settings = {"steps": 1, "learning_rate": 1.0, "teachers": ["mdsi"], "weight_consensus": 1.0, **size}
    config = SimpleNamespace(score=ScoreStageConfig(**{**settings, **changes}), seed=SEED)
    return SimpleNamespace(config=config, processes=SimpleNamespace(device=torch.device("cpu")))


@pytest.fixture
def sets() -> SimpleNamespace:
    couples = BATCHES * PHOTOS // 2
    judged = torch.randn(couples, 2, LADDERS * RUNGS, 1, generator=torch.Generator().manual_seed(1))
    return SimpleNamespace(judged=judged)


def is_whole(couple: int, ladder: int) -> bool:
    """Whether a ladder of a couple has global fields only, from a plan drawn for its first crop alone."""
    batch, place = divmod(couple, PHOTOS // 2)
    plan = ENGINE.plan(np.array([batch * PHOTOS + place]), seed=SEED, epoch=1000 + ladder)
    shapes = [FIELD_SHAPES[shape] for shape in plan.fields.shape.tolist()]
    return all(shape == "global" for shape, kind in zip(shapes, plan.kinds[0].tolist(), strict=True) if kind >= 0)


def test_teachers_are_asked_about_whole_pictures_only_if_told(sets):
    every = _badness(run_of(), ENGINE, sets)
    assert torch.equal(every, consensus_ranks(sets.judged))
    some = _badness(run_of(judged_whole=True), ENGINE, sets)
    asked = []
    for couple in range(len(sets.judged)):
        for ladder in range(LADDERS):
            part = some[couple, :, ladder * RUNGS : (ladder + 1) * RUNGS]
            asked.append(is_whole(couple, ladder))
            if asked[-1]:
                assert torch.equal(part, every[couple, :, ladder * RUNGS : (ladder + 1) * RUNGS])
            else:
                assert part.isnan().all()
    assert 0 < sum(asked) < len(asked)


def test_without_their_weight_nobody_is_asked(sets):
    assert _badness(run_of(weight_consensus=0.0, teachers=[]), ENGINE, sets) is None
