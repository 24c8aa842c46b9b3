"""The loss against its loop-written twin, and what it must not depend on (promise: 1e-10 in fp64)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyiqa_pixelperfect.contrique.losses import supervised_nt_xent
from reference.contrastive import supervised_nt_xent_loop


def rows_of(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=14), st.integers(0, 999), st.sampled_from([0.05, 0.1, 1.0]))
def test_it_equals_the_loop(classes, seed, temperature):
    rows = rows_of(len(classes), seed)
    loss = supervised_nt_xent(rows, torch.tensor(classes), temperature=temperature)
    assert abs(loss.item() - supervised_nt_xent_loop(rows.tolist(), classes, temperature)) <= 1e-10


def test_length_order_and_names_of_classes_do_not_matter():
    rows, classes = rows_of(12, 0), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 3, 3])
    expected = supervised_nt_xent(rows, classes)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    names = torch.tensor([70, 5, 126, 9])
    longer = rows * torch.linspace(0.1, 9.0, 12, dtype=torch.float64)[:, None]
    for loss in (
        supervised_nt_xent(rows[order], classes[order]),
        supervised_nt_xent(rows, names[classes]),
        supervised_nt_xent(longer, classes),
    ):
        assert (loss - expected).abs() <= 1e-12


def test_classes_apart_and_together_cost_least():
    classes = torch.arange(4).repeat_interleave(3)
    together = torch.eye(4, dtype=torch.float64).repeat_interleave(3, 0)
    # e^10 for two partners, e^0 for nine others
    assert supervised_nt_xent(together, classes).item() == pytest.approx(
        torch.tensor([10.0] * 2 + [0.0] * 9).logsumexp(0).item() - 10.0, abs=1e-5
    )
    assert supervised_nt_xent(rows_of(12, 3), classes) > supervised_nt_xent(together, classes)


def test_rows_without_a_partner_only_repel():
    rows = rows_of(5, 4)
    assert supervised_nt_xent(rows, torch.arange(5)) == 0
    loss = supervised_nt_xent(rows, torch.tensor([0, 0, 1, 2, 3]))
    assert loss.item() == pytest.approx(supervised_nt_xent_loop(rows.tolist(), [0, 0, 1, 2, 3], 0.1))


def test_gradients_are_right_and_finite_where_rows_are_zero():
    rows, classes = rows_of(6, 5).requires_grad_(), torch.tensor([0, 0, 1, 1, 2, 2])
    assert torch.autograd.gradcheck(lambda values: supervised_nt_xent(values, classes), rows)
    zeros = torch.zeros(6, 5, requires_grad=True)
    supervised_nt_xent(zeros, classes).backward()
    assert zeros.grad.isfinite().all()
