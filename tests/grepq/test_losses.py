"""The losses of GRepQ against slow twins, known values and their symmetries."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from pyiqa_pixelperfect.grepq.losses import (
    group_contrastive_loss,
    pseudo_labels,
    quality_weights,
    weighted_contrastive_loss,
)
from reference.grepq_losses import group_contrastive_loop, weighted_contrastive_loop

CASES = settings(max_examples=60, derandomize=True, database=None)
SEEDS = st.integers(0, 2**31 - 1)


def draw(seed: int, photos: int, versions: int, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    anchors, others = generator.normal(size=(2, photos, versions, length))
    weights = generator.random((photos, versions, versions))
    weights[generator.random(weights.shape) < 0.2] = 0.0  # pairs that share nothing
    weights[:, np.arange(versions), np.arange(versions)] = 1.0
    return anchors, others, weights


@CASES
@given(SEEDS, st.integers(1, 3), st.integers(1, 5), st.integers(1, 6), st.floats(0.1, 2), st.booleans())
def test_n5_the_contrastive_loss_equals_its_twin(seed, photos, versions, length, temperature, cross):
    case = draw(seed, photos, versions, length)
    tensors = [torch.from_numpy(part) for part in case]
    ours = weighted_contrastive_loss(*tensors, temperature=temperature, cross_content=cross)
    assert ours.item() == pytest.approx(weighted_contrastive_loop(*case, temperature, cross), abs=1e-10)


@CASES
@given(SEEDS, st.integers(2, 4), st.integers(0, 5), st.integers(1, 6), st.floats(0.1, 2))
def test_n5_the_group_loss_equals_its_twin(seed, group, more, length, temperature):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(2 * group + more, length))
    labels = generator.permutation(len(features)) / len(features)
    ours = group_contrastive_loss(
        torch.from_numpy(features), torch.from_numpy(labels), group=group, temperature=temperature
    )
    assert ours.item() == pytest.approx(group_contrastive_loop(features, labels, group, temperature), abs=1e-10)


def test_weights_are_1_for_equal_pictures_and_0_for_strangers():
    similarity = torch.tensor([0.0, 0.5, 1.0, 1.02], dtype=torch.float64)
    assert quality_weights(similarity).tolist() == pytest.approx([0.0, 0.4, 1.0, 1.0])


def test_versions_that_all_look_the_same_cost_nothing():
    features = torch.randn(2, 4, 5, dtype=torch.float64)
    everything = torch.ones(2, 4, 4, dtype=torch.float64)
    assert weighted_contrastive_loss(features, features, everything).item() == pytest.approx(0.0, abs=1e-12)


def test_features_that_say_nothing_cost_the_logarithm_of_the_mean_weight():
    same = torch.ones(3, 4, 5, dtype=torch.float64)
    only_own = torch.eye(4, dtype=torch.float64).expand(3, -1, -1)
    assert weighted_contrastive_loss(same, same, only_own).item() == pytest.approx(2 * math.log(4))
    across = weighted_contrastive_loss(same, same, only_own, cross_content=True)
    assert across.item() == pytest.approx(2 * math.log(12))


@pytest.mark.parametrize("cross", [False, True])
def test_the_contrastive_loss_knows_no_order_and_no_scale(cross):
    anchors, others, weights = (torch.from_numpy(part) for part in draw(5, 3, 4, 6))
    weights = 0.5 * (weights + weights.transpose(1, 2))
    expected = weighted_contrastive_loss(anchors, others, weights, cross_content=cross).item()
    mixed = torch.tensor([2, 0, 3, 1])
    versions = (anchors[:, mixed], others[:, mixed], weights[:, mixed][:, :, mixed])
    assert weighted_contrastive_loss(*versions, cross_content=cross).item() == pytest.approx(expected, abs=1e-12)
    photos = (part.flip(0) for part in (anchors, others, weights))
    assert weighted_contrastive_loss(*photos, cross_content=cross).item() == pytest.approx(expected, abs=1e-12)
    swapped = weighted_contrastive_loss(others, anchors, weights, cross_content=cross)
    assert swapped.item() == pytest.approx(expected, abs=1e-12)
    larger = weighted_contrastive_loss(3 * anchors, 7 * others, weights, cross_content=cross)
    assert larger.item() == pytest.approx(expected, abs=1e-12)


def test_contrast_within_one_photo_does_not_see_the_others():
    anchors, others, weights = (torch.from_numpy(part) for part in draw(6, 3, 4, 6))
    together = weighted_contrastive_loss(anchors, others, weights).item()
    alone = [weighted_contrastive_loss(anchors[i : i + 1], others[i : i + 1], weights[i : i + 1]) for i in range(3)]
    assert together == pytest.approx(torch.stack(alone).mean().item(), abs=1e-12)
    across = weighted_contrastive_loss(anchors, others, weights, cross_content=True).item()
    assert across > together  # more negatives


@pytest.mark.parametrize("cross", [False, True])
def test_n4_gradients_of_the_contrastive_loss(cross):
    anchors, others, weights = (torch.from_numpy(part) for part in draw(7, 2, 3, 4))
    assert (weights == 0).any()

    def loss(one, other):
        return weighted_contrastive_loss(one, other, weights, cross_content=cross)

    assert gradcheck(loss, (anchors.requires_grad_(), others.requires_grad_()))


def test_n4_gradients_of_the_group_loss():
    features = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.linspace(0, 1, 7, dtype=torch.float64)
    assert gradcheck(lambda rows: group_contrastive_loss(rows, labels, group=2), (features,))


def test_pictures_between_the_groups_do_not_count():
    features, labels = torch.randn(9, 4, dtype=torch.float64), torch.linspace(0, 1, 9, dtype=torch.float64)
    changed = features.clone()
    changed[4] = 100.0
    assert group_contrastive_loss(features, labels).item() == group_contrastive_loss(changed, labels).item()


def test_pseudo_labels_follow_the_prompts():
    prompts = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    labels = pseudo_labels(torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), prompts)
    expected = 1 / (1 + math.exp(-10))
    assert labels.tolist() == pytest.approx([expected, 1 - expected, 0.5])
