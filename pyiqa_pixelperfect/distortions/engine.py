"""The engine: applies plans to batches on their device and returns the pictures with their exact amount maps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyiqa_pixelperfect.distortions.catalog import KINDS
from pyiqa_pixelperfect.distortions.fields import amount_fields
from pyiqa_pixelperfect.distortions.kind import Kind
from pyiqa_pixelperfect.distortions.plan import Plan, PlanSettings, draw_plan
from pyiqa_pixelperfect.errors import ConfigError, ImageError
from pyiqa_pixelperfect.families import FAMILIES, SIGNED, family_index

__all__ = ["DistortionEngine", "Draw", "apply_kind", "truth_of"]


class Draw(NamedTuple):
    """Distorted pictures and what was done to them."""

    image: Tensor  # (B, 3, H, W) in [0, 1]
    #: (B, K, H, W): [0, 1], or [-1, 1] in the channels of signed families. What several distortions do to one family
    #: is added up and clipped to its range.
    amounts: Tensor


class DistortionEngine:
    """Spatially varying synthetic distortions with exact truth (arXiv 2605.02863, distortion engine).

    Args:
        settings: what plans are drawn from.

    Example:
        >>> engine = DistortionEngine()
        >>> images = torch.rand(2, 3, 64, 64)
        >>> draw = engine.apply(images, engine.plan([0, 1], seed=7))
        >>> draw.image.shape, draw.amounts.shape
        (torch.Size([2, 3, 64, 64]), torch.Size([2, 14, 64, 64]))
    """

    def __init__(self, settings: PlanSettings | None = None) -> None:
        self.settings = settings or PlanSettings()

    def plan(self, indices: Sequence[int] | NDArray[np.int64], *, seed: int = 0, epoch: int = 0) -> Plan:
        """Draw the plan of samples ``indices`` on the CPU; see ``draw_plan``."""
        return draw_plan(self.settings, np.asarray(indices, np.int64), seed, epoch)

    def apply(self, images: Tensor, plan: Plan) -> Draw:
        """Distort a batch.

        Args:
            images: (B, 3, H, W) in [0, 1]; not changed.
            plan: plan of B pictures.

        Returns:
            The distorted pictures and their amounts. Where the amounts of all families are 0 the pictures are
            bit-identical to ``images``.

        Raises:
            ImageError: ``images`` is not a (B, 3, H, W) float32 tensor, or B is not that of the plan.
        """
        _check_images(images)
        if len(images) != len(plan):
            raise ImageError("images", f"as many as the plan has ({len(plan)})", f"{len(images)}")
        image = images.clone()
        amounts = images.new_zeros(len(images), len(FAMILIES), *images.shape[-2:])
        fields = amount_fields(plan.fields.to(images.device), *images.shape[-2:])
        kinds = list(KINDS.values())
        for slot in range(plan.kinds.shape[1]):
            field = fields[slot * len(images) : (slot + 1) * len(images)]
            # The plan lies on the CPU, so grouping by kind never waits for the device.
            for number in plan.kinds[:, slot].unique().tolist():
                if number >= 0:
                    rows = (plan.kinds[:, slot] == number).nonzero()[:, 0]
                    peaks = plan.peaks[rows, slot].to(images.device).reshape(-1, 1, 1, 1)
                    on_device = rows.to(images.device)
                    seeds = plan.seeds[rows, slot].to(images.device)
                    done, amount = _apply(kinds[number], image[on_device], field[on_device] * peaks, seeds)
                    image[on_device] = done
                    for channel, share in _shares(kinds[number], amount):
                        amounts[on_device, channel] += share[:, 0]
        # One-sided amounts are never negative: their sum needs no other bounds.
        return Draw(image, amounts.clamp_(-1.0, 1.0))


def truth_of(kind: Kind, amount: Tensor) -> Tensor:
    """Amounts of all families that a kind brings.

    Args:
        kind: the kind.
        amount: (B, 1, H, W), what was done: ``Kind.realize`` is behind it.

    Returns:
        (B, K, H, W): the amount itself in the channel of ``kind.family``, the shares of ``kind.also`` in theirs, 0 in
        the others.
    """
    truth = amount.new_zeros(len(amount), len(FAMILIES), *amount.shape[-2:])
    for channel, share in _shares(kind, amount):
        truth[:, channel] = share[:, 0]
    return truth


def _shares(kind: Kind, amount: Tensor) -> list[tuple[int, Tensor]]:
    """Channel and amount (B, 1, H, W) of each family that a kind changes."""
    shares = [(family_index(kind.family), amount)]
    for family, factor in kind.also:
        shares.append((family_index(family), (amount if family in SIGNED else amount.abs()) * factor))
    return shares


def _check_images(images: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] != 3 or images.dtype != torch.float32:
        raise ImageError("images", "a float32 tensor (B, 3, H, W)", f"{images.dtype} {tuple(images.shape)}")


def _apply(kind: Kind, images: Tensor, amount: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    if kind.realize is not None:
        amount = kind.realize(amount, seeds)
    return kind.function(images, amount, seeds), amount


def apply_kind(name: str, images: Tensor, amount: float | Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Apply one kind of distortion.

    Args:
        name: one of ``KINDS``.
        images: (B, 3, H, W) in [0, 1]; not changed.
        amount: one number, or a field (B, 1, H, W); in [0, 1], or [-1, 1] for kinds of signed families.
        seed: seed of what is random in the kind, the same for all images of the batch.

    Returns:
        The distorted images, and the amount (B, 1, H, W) that was done; see ``Kind.realize``. ``truth_of`` tells what
        it is in other families.

    Raises:
        ConfigError: no such kind, or an amount of another shape or outside its range.
        ImageError: ``images`` is not a (B, 3, H, W) float32 tensor.
    """
    if name not in KINDS:
        raise ConfigError("kind", f"one of {', '.join(KINDS)}", repr(name))
    _check_images(images)
    kind = KINDS[name]
    field = torch.as_tensor(amount, dtype=images.dtype, device=images.device)
    whole = (len(images), 1, *images.shape[-2:])
    try:
        field = field.expand(whole)
    except RuntimeError:
        raise ConfigError("amount", f"a number or a field {whole}", f"a tensor {tuple(field.shape)}") from None
    low = -1.0 if kind.signed else 0.0
    if not bool(((field >= low) & (field <= 1.0)).all()):
        got = f"values from {field.min().item():.3g} to {field.max().item():.3g}"
        raise ConfigError("amount", f"numbers in [{low:g}, 1] for {name}", got)
    seeds = torch.full((len(images),), seed, dtype=torch.int64, device=images.device)
    return _apply(kind, images, field, seeds)
