"""Filters that ring: edges get waves along them where a filter cuts off or raises frequencies sharply.

Sources: the low-pass without a transition is the "sinc" filter of Real-ESRGAN (Wang et al., ICCVW 2021), which stands
for the ringing of codecs and resizers there; deblurring is Wiener's filter (Gonzalez and Woods, Digital Image
Processing, 5.8), for a blur that never was. Both act on the cosine transform of the picture, that is on the picture
mirrored at its borders, so that these do not ring by themselves.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.strengths import (
    geometric,
    interpolate_strengths,
    keep_where_zero,
    one_and_a_half_power,
)

__all__ = ["CUT_OFFS", "DEBLURRED_SIGMAS", "NOISE_TO_SIGNAL", "deconvolution", "sinc_filter"]

CUT_OFFS = (0.42, 0.3, 0.2, 0.13, 0.085, 0.055)  # cycles/px at amounts 1/6, 2/6 ... 1; 0.5 is the finest on an axis
DEBLURRED_SIGMAS = (0.7, 2.5)  # px, of the Gaussian blur that is undone
NOISE_TO_SIGNAL = 0.004  # power that Wiener's filter is told


def _filtered(images: Tensor, responses: Iterable[Callable[[Tensor], Tensor]]) -> list[Tensor]:
    """Images (B, 3, H, W) by each of several filters, which are functions of frequency, (H', W') cycles/px."""
    height, width = images.shape[-2:]
    frequencies = (torch.fft.fftfreq(2 * side, device=images.device)[: side + 1] for side in (height, width))
    rows, columns = (part.abs().to(images.dtype) for part in frequencies)
    rows = torch.cat((rows, rows[1:-1].flip(0)))  # of a mirrored picture: the second half mirrors the first
    frequency = (rows.square().unsqueeze(1) + columns.square()).sqrt()
    mirrored = torch.cat((images, images.flip(2)), dim=2)
    mirrored = torch.cat((mirrored, mirrored.flip(3)), dim=3)
    # Picture by picture: how several are transformed at once may depend on how many there are.
    spectra = [torch.fft.rfft2(picture) for picture in mirrored]
    results = []
    for response in responses:
        gains = response(frequency)
        gains = gains.expand(len(images), *gains.shape[-2:])
        planes = [torch.fft.irfft2(spectrum * gain) for spectrum, gain in zip(spectra, gains, strict=True)]
        results.append(torch.stack(planes)[..., :height, :width])
    return results


def sinc_filter(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """All detail finer than 0.42 to 0.055 cycles/px lost at once, so that edges ring; ``seeds`` is not used."""
    kept = [lambda frequency, limit=limit: (frequency <= limit).to(images.dtype) for limit in CUT_OFFS]
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, _filtered(images, kept)))


def deconvolution(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Deblurred, though it was not blurred: what Wiener's filter adds, by ``amount ** 1.5``.

    It is told a Gaussian blur of 0.7 to 2.5 px, by a draw per image, and a ratio of noise to signal of 0.004: it raises
    frequencies by up to 8, and loses the finest where the blur is wide.
    """
    sigma = geometric(hashed_uniform(seeds, (1, 1), 21), DEBLURRED_SIGMAS)

    def wiener(frequency: Tensor) -> Tensor:
        blur = torch.exp(-2.0 * (torch.pi * sigma * frequency).square())
        return blur * (1.0 + NOISE_TO_SIGNAL) / (blur.square() + NOISE_TO_SIGNAL)  # a mean stays what it is

    (undone,) = _filtered(images, [wiener])
    return keep_where_zero(images, amount, images + one_and_a_half_power(amount) * (undone - images))
