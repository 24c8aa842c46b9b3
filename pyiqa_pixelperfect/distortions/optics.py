"""What lens, air and camera shake do: vignetting, haze, blur along a shaken path, blur that follows the depth.

Sources: the fall-off of light toward the corners, in linear light; Koschmieder's law of haze (1924); camera shake as
a smooth random path, after Boracchi and Foi (TIP 2012); the circle of confusion, which grows with the distance from
the plane in focus.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.blur import DISK_RADII, disk_kernel
from pyiqa_pixelperfect.distortions.counter import hashed_normal, hashed_uniform
from pyiqa_pixelperfect.distortions.fields import perlin_noise
from pyiqa_pixelperfect.distortions.light import to_light, to_values
from pyiqa_pixelperfect.distortions.strengths import interpolate_strengths, keep_where_zero
from pyiqa_pixelperfect.distortions.tone import contrast_slope

__all__ = [
    "at_depth",
    "depth_blur",
    "depth_map",
    "haze",
    "radial",
    "radial_pattern",
    "trajectory_blur",
    "trajectory_kernels",
    "vignetting",
]

VIGNETTE_STOPS = 2.5  # of light at amount 1, which middle tones show as the 1.3 stops of value of ``exposure``
AIRLIGHT = (0.7, 0.95)  # of [0, 1] values, drawn per image
TRAJECTORY_LENGTHS = (2.0, 3.0, 5.0, 7.0, 10.0, 14.0)  # px of the straight path that spreads a point as much
TRAJECTORY_WAVES = (1.0, 0.6, 0.35)  # weight of each half wave of the path
TRAJECTORY_POINTS = 64


def radial_pattern(seeds: Tensor, height: int, width: int) -> Tensor:
    """Fall-off (B, 1, H, W) in [0, 1]: 0 at a center near the middle, 1 in the corner farthest from it.

    It grows with the second to the fourth power of the distance; center and power are drawn per image.
    """
    draws = hashed_uniform(seeds, (3, 1, 1, 1), 60)
    center_y, center_x = (0.4 * draws[:, axis] - 0.2 for axis in (0, 1))
    y = torch.linspace(-1.0, 1.0, height, device=seeds.device).reshape(1, 1, -1, 1) - center_y
    x = torch.linspace(-1.0, 1.0, width, device=seeds.device).reshape(1, 1, 1, -1) - center_x
    far = (1.0 + center_y.abs()).square() + (1.0 + center_x.abs()).square()
    square = ((y.square() + x.square()) / far).clamp_max(1.0)
    return square * torch.lerp(torch.ones_like(square), square, draws[:, 2].expand_as(square))


def radial(amount: Tensor, seeds: Tensor) -> Tensor:
    """Amounts (B, 1, H, W) times the ``radial_pattern`` of each image: what ``vignetting`` really does."""
    return amount * radial_pattern(seeds, *amount.shape[-2:])


def vignetting(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Corners darker by up to 2.5 stops of light, or as much brighter (overcorrected); ``amount`` is ``radial``.

    ``seeds`` is used by ``radial`` alone.
    """
    gain = torch.exp(VIGNETTE_STOPS * math.log(2.0) * amount)
    return keep_where_zero(images, amount, to_values(to_light(images) * gain))


def haze(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """A bright gray drawn per image in place of all but 0.12 of the picture at amount -1, straight lines between.

    Positive amounts are the opposite, a dehazer that overdoes it: values are driven away, with a slope of up to 2.6,
    from that gray moved a quarter of the way to the middle, as after exposing anew. Values are mixed and not light, as
    the haze of photographs is modeled (He, Sun, Tang, TPAMI 2011). The slopes are those of ``contrast_stretch``.
    """
    air = AIRLIGHT[0] + (AIRLIGHT[1] - AIRLIGHT[0]) * hashed_uniform(seeds, (1, 1, 1), 61)
    pivot = torch.where(amount < 0, air, 0.75 * air + 0.125)
    return keep_where_zero(images, amount, pivot + (images - pivot) * contrast_slope(amount))


def trajectory_kernels(seeds: Tensor) -> list[Tensor]:
    """Kernels of one random smooth path per image, at each of ``TRAJECTORY_LENGTHS``.

    The path is a sum of three half waves in each direction with normal weights, scaled so that it spreads a point
    (standard deviation of the distance) as a straight path of the given length does.

    Returns:
        One (B, k, k) per length, k odd; each kernel sums to 1.
    """
    waves = hashed_normal(seeds, (2, len(TRAJECTORY_WAVES)), 62)
    time = (torch.arange(TRAJECTORY_POINTS, dtype=torch.float32, device=seeds.device) + 0.5) / TRAJECTORY_POINTS
    path = torch.zeros(len(seeds), 2, TRAJECTORY_POINTS, device=seeds.device)
    spread = torch.zeros(len(seeds), device=seeds.device)
    for number, weight in enumerate(TRAJECTORY_WAVES):
        wave = weight * waves[..., number]
        path = path + wave[..., None] * (math.pi * (number + 1) * time).cos()
        spread = spread + 0.5 * (wave[:, 0].square() + wave[:, 1].square())  # the mean square of a cosine is a half
    path = path / (spread.sqrt() * math.sqrt(12.0)).reshape(-1, 1, 1)
    kernels = []
    for length in TRAJECTORY_LENGTHS:
        # By Cauchy and Schwarz n half waves reach no farther than sqrt(2 n) deviations.
        reach = math.ceil(length * math.sqrt(2.0 * len(TRAJECTORY_WAVES) / 12.0))
        offsets = torch.arange(-reach, reach + 1, dtype=torch.float32, device=seeds.device)
        hats = (1.0 - (offsets - length * path[..., None]).abs()).clamp_min(0.0)  # (B, 2, points, k)
        kernel = torch.zeros(len(seeds), len(offsets), len(offsets), device=seeds.device)
        # One point after the other: a sum over an axis may be taken in another order in another batch.
        for point in range(TRAJECTORY_POINTS):
            kernel = kernel + hats[:, 0, point, :, None] * hats[:, 1, point, None, :]
        kernels.append(kernel / TRAJECTORY_POINTS)
    return kernels


def trajectory_blur(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Camera shake along a random smooth path drawn per image, spread as a straight one of up to 14 px."""
    batch, channels, height, width = images.shape
    filtered = []
    for kernels in trajectory_kernels(seeds):
        reach = kernels.shape[-1] // 2
        planes = F.pad(images, (reach,) * 4, mode="replicate")
        planes = planes.reshape(1, batch * channels, height + 2 * reach, width + 2 * reach)
        weights = kernels.repeat_interleave(channels, 0)[:, None]
        filtered.append(F.conv2d(planes, weights, groups=batch * channels).reshape(images.shape))
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))


def depth_map(seeds: Tensor, height: int, width: int) -> Tensor:
    """Smooth distance from the plane in focus, (B, 1, H, W), from 0 to 1: a slanted plane with hills, per image."""
    angle = hashed_uniform(seeds, (1, 1), 63) * (2.0 * math.pi)
    y = torch.linspace(-1.0, 1.0, height, device=seeds.device).reshape(1, -1, 1)
    x = torch.linspace(-1.0, 1.0, width, device=seeds.device).reshape(1, 1, -1)
    scale = torch.full((len(seeds),), 0.5 * max(height, width), device=seeds.device)
    depth = 0.5 * (angle.sin() * y + angle.cos() * x)
    depth = depth + perlin_noise(seeds, scale, height, width, 64)
    near, far = depth.amin((1, 2), keepdim=True), depth.amax((1, 2), keepdim=True)
    return ((depth - near) / (far - near)).unsqueeze(1)


def at_depth(amount: Tensor, seeds: Tensor) -> Tensor:
    """Amounts (B, 1, H, W) times the ``depth_map`` of each image: what ``depth_blur`` really does."""
    return amount * depth_map(seeds, *amount.shape[-2:])


def depth_blur(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Blur by disks of up to 8 px that follow the depth; ``amount`` is ``at_depth``, which alone uses ``seeds``.

    What is sharper than a place does not bleed into it, as in front of an unsharp background: at each radius only
    pixels count that are blurred about as much.
    """
    batch, channels, height, width = images.shape
    filtered = []
    for step, radius in enumerate(DISK_RADII):
        share = (amount * len(DISK_RADII) - step).clamp(0.0, 1.0)
        kernel = disk_kernel(radius).to(images)
        reach = kernel.shape[0] // 2
        # The weights ride along as a fourth plane: one plane alone would take another code path in torch.
        planes = F.pad(torch.cat((images * share, share), 1), (reach,) * 4, mode="replicate")
        planes = planes.reshape(batch * (channels + 1), 1, height + 2 * reach, width + 2 * reach)
        sums = F.conv2d(planes, kernel[None, None]).reshape(batch, channels + 1, height, width)
        filtered.append(sums[:, :channels] / sums[:, channels:].clamp_min(1e-9))
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))
