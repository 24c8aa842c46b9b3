import numpy as np
import pytest
import torch

from benchmark import ladders
from benchmark.more_tools import ALL_TOOLS
from benchmark.real_tools import HEADLINE_TOOLS
from pyiqa_pixelperfect.distortions import KINDS
from pyiqa_pixelperfect.families import FAMILIES


def psnr(image, reference):
    return -10.0 * torch.log10((image - reference).square().mean(dim=(1, 2, 3)))


def upside_down(image, reference):
    return -psnr(image, reference)


def constant(image, reference):
    return torch.zeros(len(image))


@pytest.fixture(scope="module")
def small(photos):
    from benchmark.photos import center_crop

    return [center_crop(photo, 96) for photo in photos[:1]]


@pytest.fixture(scope="module")
def made(small):
    return list(ladders.all_ladders(small, seed=0))


def test_psnr_is_nearly_always_in_order(made):
    rows = ladders.measure(psnr, made)
    for source in ("engine", "tool"):
        part = rows[rows["source"] == source]
        assert part["in_order"].sum() / part["steps"].sum() > 0.95


def test_wrong_direction_and_no_opinion_score_nothing(made):
    assert ladders.measure(upside_down, made)["in_order"].sum() <= 0.05 * ladders.measure(psnr, made)["steps"].sum()
    rows = ladders.measure(constant, made)
    assert rows["in_order"].sum() == 0
    assert not any(verdict.reached for verdict in ladders.ladder_targets(rows))


def test_every_family_direction_field_and_tool_is_there(small, made):
    assert len(made) == ladders.ladder_count(len(small))
    assert {ladder.family for ladder in made if ladder.source == "engine"} == set(FAMILIES)
    assert {ladder.name for ladder in made if ladder.source == "engine"} == set(KINDS)
    assert {ladder.name for ladder in made if ladder.source == "tool"} == {tool.name for tool in ALL_TOOLS}
    for ladder in made:
        if ladder.source == "engine":
            assert len(ladder.steps) == 1 + len(ladders.AMOUNTS)
    signed = next(kind.name for kind in KINDS.values() if kind.signed)
    variants = {ladder.variant for ladder in made if ladder.name == signed}
    assert variants == {"+ global", "+ perlin", "- global", "- perlin"}


def test_ladders_start_at_the_clean_photo(small, made):
    from benchmark.photos import to_tensor

    clean = to_tensor(small[0].pixels)[0]
    assert all(torch.equal(ladder.steps[0], clean) for ladder in made)
    assert all(float(ladder.steps.min()) >= 0.0 and float(ladder.steps.max()) <= 1.0 for ladder in made)


def test_steps_that_change_nothing_have_no_order(small):
    ladder = ladders.Ladder("p", "tool", "t", "blur", "", torch.rand(1, 3, 8, 8).repeat(4, 1, 1, 1))
    ladder.steps[3] = 0.0
    for metric in (psnr, lambda image, reference: -torch.arange(float(len(image)))):
        row = ladders.measure(metric, [ladder]).iloc[0]
        assert (row["steps"], row["unchanged"], row["in_order"]) == (1, 2, 1)


def test_tables_add_up(small):
    rows = ladders.measure(psnr, ladders.tool_ladders(small, 0, HEADLINE_TOOLS))
    families, single = ladders.by_family(rows), ladders.by_ladder(rows)
    assert families["steps"].sum() == single["steps"].sum() == rows["steps"].sum()
    assert single["name"].tolist() == [tool.name for tool in HEADLINE_TOOLS]
    order = [FAMILIES.index(name) for name in families["family"]]
    assert order == sorted(order)


def test_not_a_number_is_never_in_order(made):
    rows = ladders.measure(lambda image, reference: torch.full((len(image),), np.nan), made[:3])
    assert rows["in_order"].sum() == 0
