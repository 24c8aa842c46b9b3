"""The same questions to every metric this package adds to pyiqa, asked through pyiqa.

A new metric is covered by its row in `pyiqa_pixelperfect.startup.rows`. Everything runs without a network, and on
photographs that come with scikit-image.
"""

import copy
import warnings

import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from pyiqa_pixelperfect import ImageError
from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.grepq.high_metric import HighLevelMetric
from pyiqa_pixelperfect.grepq.networks import HighLevelNet
from pyiqa_pixelperfect.pictures import Picture
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.networks import build_maps
from pyiqa_pixelperfect.pixelperfect.pairing import describe
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet
from pyiqa_pixelperfect.startup.rows import METRIC_ROWS, architectures

SCORE_TOLERANCE = 1e-5

every_metric = pytest.mark.parametrize("metric", METRIC_ROWS, indirect=True, scope="module")
FULL_REFERENCE = [name for name, row in METRIC_ROWS.items() if row["metric_mode"] == "FR"]
with_reference = pytest.mark.parametrize("metric", FULL_REFERENCE, indirect=True, scope="module")
#: Relational scores say which of the two is better; distances, lower for better images, only how far apart they are.
relational = pytest.mark.parametrize(
    "metric", [name for name in FULL_REFERENCE if not METRIC_ROWS[name]["lower_better"]], indirect=True, scope="module"
)
distance = pytest.mark.parametrize(
    "metric", [name for name in FULL_REFERENCE if METRIC_ROWS[name]["lower_better"]], indirect=True, scope="module"
)


#: What a metric needs beside its name.
NEEDS: dict[str, dict[str, object]] = {}


def create(name: str, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pyiqa's own imports
        import pyiqa

        return pyiqa.create_metric(name, device="cpu", **NEEDS.get(name, {}), **options)


@pytest.fixture(scope="module", autouse=True)
def _small_clip(photographs, damaged, tmp_path_factory):
    """`grepq` takes CLIP's tower from the user; here it is a small random one that likes clean photographs."""
    with seeded_weights(0):
        network = HighLevelNet((1, 1, 1, 1), 8, 16).eval().requires_grad_(False)
    network.prompts.copy_(torch.stack([network(batch).mean(0) for batch in (photographs, damaged)]))
    path = tmp_path_factory.mktemp("clip") / "high.safetensors"
    HighLevelMetric(network).save(path, half=False)
    NEEDS["grepq"] = {"high_model_path": path}


@pytest.fixture(scope="module", autouse=True)
def _small_swin(photographs, damaged, tmp_path_factory):
    """`pixelperfect-swinv2` takes its weights from the user; here they are random ones that like clean photographs."""
    options = {"embed_dim": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}
    with seeded_weights(0):
        maps = build_maps({"backbone": "swinv2_tiny_window8_256", "options": options}, (8, 8, 12, 12))
        network = PixelPerfect(maps, RelationalScoreNet(hidden=16, embedding=8)).requires_grad_(False)
    pairs, _ = describe(network.map_network, Picture(damaged), Picture(photographs))
    score = network.score_network
    (relation,) = score.relate(*score.clues(pairs))
    score.ensemble[0].head.weight.copy_(-10 * relation.mean(0, keepdim=True))
    path = tmp_path_factory.mktemp("swin") / "swin.safetensors"
    network.save(path, half=False)
    NEEDS["pixelperfect-swinv2"] = {"pretrained_model_path": str(path)}


@pytest.fixture(scope="module")
def metric(request, _small_clip, _small_swin):
    return create(request.param)


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    """Three clean photographs, (3, 3, 121, 147): odd sides on purpose."""
    pictures = [data.astronaut()[20:141, 150:297], data.coffee()[100:221, 200:347], data.chelsea()[60:181, 120:267]]
    return torch.stack([torch.from_numpy(picture.copy()).permute(2, 0, 1) / 255 for picture in pictures])


@pytest.fixture(scope="module")
def damaged(photographs) -> Tensor:
    """The same photographs, clearly worse: blurred, and in sixteen gray levels a channel."""
    return (gaussian_blur(photographs, [9, 9], [2.5, 2.5]) * 15).round() / 15


def score(metric, image: Tensor, reference: Tensor) -> Tensor:
    """Call a metric the way its mode wants it."""
    return metric(image, reference) if metric.metric_mode == "FR" else metric(image)


# ----------------------------------------------------------------------------------------------------- identity, order


@every_metric
def test_pyiqa_shows_the_row(metric):
    row = METRIC_ROWS[metric.metric_name]
    assert metric.metric_mode == row["metric_mode"]
    assert metric.lower_better is row["lower_better"]
    assert metric.score_range == row["score_range"]
    assert type(metric.net).__name__ in architectures()


@every_metric
def test_one_finite_number_for_each_image(metric, photographs, damaged):
    scores = score(metric, damaged, photographs)
    assert scores.shape == (3,)
    assert scores.dtype == torch.float32
    assert scores.isfinite().all()


@every_metric
def test_a_damaged_image_scores_worse_than_its_clean_version(metric, photographs, damaged):
    better = score(metric, photographs, photographs) - score(metric, damaged, photographs)
    assert ((better < 0) if metric.lower_better else (better > 0)).all()


@relational
def test_the_image_comes_first_and_above_zero_is_better(metric, photographs, damaged):
    assert (metric(photographs, damaged) > 0).all()
    assert (metric(damaged, photographs) < 0).all()


@relational
def test_swapping_image_and_reference_flips_the_sign(metric, photographs, damaged):
    total = metric(photographs, damaged) + metric(damaged, photographs)
    assert total.abs().max() <= SCORE_TOLERANCE


@distance
def test_a_distance_is_above_zero_and_the_same_both_ways(metric, photographs, damaged):
    there, back = metric(photographs, damaged), metric(damaged, photographs)
    assert (there > 0).all()
    assert (there - back).abs().max() <= SCORE_TOLERANCE


@with_reference
def test_identical_images_score_exactly_zero(metric, photographs, damaged):
    for batch in (photographs, damaged, torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 33, 47)):
        assert torch.equal(metric(batch, batch), torch.zeros(len(batch)))


# ------------------------------------------------------------------------------------------------------- stable scores


@every_metric
def test_a_batch_scores_like_its_images_one_by_one(metric, photographs, damaged):
    singles = [score(metric, damaged[i : i + 1], photographs[i : i + 1]) for i in range(3)]
    assert (score(metric, damaged, photographs) - torch.cat(singles)).abs().max() <= SCORE_TOLERANCE


@every_metric
def test_the_memory_layout_does_not_matter(metric, photographs, damaged):
    expected = score(metric, damaged, photographs)
    channels_last = damaged.contiguous(memory_format=torch.channels_last)
    strided = torch.rand(3, 3, 121, 2 * 147)[..., ::2].copy_(damaged)
    for image in (channels_last, strided):
        assert (score(metric, image, photographs) - expected).abs().max() <= SCORE_TOLERANCE


@every_metric
def test_the_same_question_gets_the_same_answer(metric, photographs, damaged):
    expected = score(metric, damaged, photographs)
    assert torch.equal(score(metric, damaged, photographs), expected)
    assert torch.equal(score(create(metric.metric_name), damaged, photographs), expected)
    assert torch.equal(score(copy.deepcopy(metric), damaged, photographs), expected)


@every_metric
def test_scoring_leaves_inputs_and_the_random_state_alone(metric, photographs, damaged):
    image, reference, state = damaged.clone(), photographs.clone(), torch.get_rng_state()
    score(create(metric.metric_name), image, reference)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(image, damaged)
    assert torch.equal(reference, photographs)


# ----------------------------------------------------------------------------------------------------- kinds of inputs


@every_metric
def test_gray_is_rgb_with_equal_channels(metric, photographs, damaged):
    gray_image, gray_reference = damaged.mean(1, keepdim=True), photographs.mean(1, keepdim=True)
    as_rgb = score(metric, gray_image.repeat(1, 3, 1, 1), gray_reference.repeat(1, 3, 1, 1))
    assert (score(metric, gray_image, gray_reference) - as_rgb).abs().max() <= SCORE_TOLERANCE


@every_metric
def test_paths_pictures_and_tensors_are_the_same_to_it(metric, photographs, damaged, tmp_path):
    tensors, pictures, paths = [], [], []
    for name, batch in (("image", damaged), ("reference", photographs)):
        pixels = (batch[0] * 255).round().to(torch.uint8)
        tensors.append(pixels[None] / 255)
        pictures.append(Image.fromarray(pixels.permute(1, 2, 0).numpy()))
        paths.append(str(tmp_path / f"{name}.png"))
        pictures[-1].save(paths[-1])
    expected = score(metric, *tensors)
    for given in (pictures, paths, [paths[0], tensors[1]]):
        got = score(metric, *given)
        assert got.shape == (1,)
        assert (got - expected).abs().max() <= SCORE_TOLERANCE


@with_reference
def test_sizes_that_differ_are_refused_by_name(metric, photographs):
    with pytest.raises(ImageError, match="reference"):
        metric(photographs, photographs[..., :-1])


@every_metric
def test_an_image_without_enough_pixels_is_refused_by_name(metric):
    with pytest.raises(ImageError, match="image"):
        score(metric, torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))


# --------------------------------------------------------------------------------------------------------- as a loss


@every_metric
def test_a_metric_has_no_gradient_and_a_loss_has(metric, photographs, damaged):
    image = damaged.clone().requires_grad_()
    assert not score(metric, image, photographs).requires_grad
    loss = score(create(metric.metric_name, as_loss=True), image, photographs)
    assert loss.shape == ()
    assert loss.detach() == pytest.approx(score(metric, damaged, photographs).mean().item(), abs=SCORE_TOLERANCE)


@every_metric
@pytest.mark.parametrize(
    "case", ["damaged", "identical", "black", "white", "flat", "checkerboard", "slightly outside", "far outside"]
)
def test_gradients_are_finite_everywhere(metric, photographs, damaged, case):
    rows, columns = torch.meshgrid(torch.arange(121), torch.arange(147), indexing="ij")
    image = {
        "damaged": damaged,
        "identical": photographs,
        "black": torch.zeros_like(photographs),
        "white": torch.ones_like(photographs),
        "flat": torch.full_like(photographs, 0.5),
        "checkerboard": ((rows + columns) % 2).float().expand_as(photographs),
        "slightly outside": photographs * 1.1 - 0.05,
        "far outside": torch.randn(photographs.shape, generator=torch.Generator().manual_seed(0)),
    }[case]
    image = image.clone().requires_grad_()
    score(create(metric.metric_name, as_loss=True), image, photographs).backward()
    assert image.grad.isfinite().all()
    if case == "damaged":
        assert (image.grad.flatten(1).abs().amax(1) > 0).all()


@every_metric
def test_following_the_gradient_improves_the_score(metric, photographs, damaged):
    loss = create(metric.metric_name, as_loss=True)
    image = damaged.clone().requires_grad_()
    before = score(loss, image, photographs)
    before.backward()
    uphill = -1.0 if metric.lower_better else 1.0
    # A step of a fiftieth of a gray level on average: small enough for the gradient to hold.
    step = uphill * image.grad / image.grad.abs().mean() * (0.02 / 255)
    after = score(loss, image.detach() + step, photographs)
    assert uphill * (after - before).item() > 0


def test_where_the_original_is_known_pixelperfect_needs_no_verdict(photographs, damaged):
    metric = create("pixelperfect", verdict=False)
    score = metric(damaged, photographs)
    assert (score < 0).all()
    assert torch.equal(score, metric(photographs, damaged))
    assert torch.equal(score, -metric.net.network.severity(damaged, photographs))
    assert (score <= -create("pixelperfect")(damaged, photographs).abs()).all()  # a verdict only takes away
    assert torch.equal(metric(photographs, photographs), torch.zeros(len(photographs)))
    loss = create("pixelperfect", verdict=False, as_loss=True)
    image = damaged.clone().requires_grad_()
    loss(image, photographs).sum().backward()
    assert image.grad.any()
