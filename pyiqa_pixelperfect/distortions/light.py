"""Between the values of a picture and the light they stand for: the transfer curve of sRGB (IEC 61966-2-1).

Lenses and sensors act on light. What they do there looks different after the curve: the same noise is far more
visible in the shadows, and half of the light is three quarters of the value.
"""

import torch
from torch import Tensor

__all__ = ["to_light", "to_values"]


def to_light(values: Tensor) -> Tensor:
    """Return the linear light in [0, 1] of sRGB values in [0, 1], any shape."""
    curved = torch.exp(2.4 * ((values + 0.055) / 1.055).log())
    return torch.where(values <= 0.04045, values / 12.92, curved)


def to_values(light: Tensor) -> Tensor:
    """Return the sRGB values of linear light, any shape, clipped to [0, 1]: the inverse of ``to_light``."""
    light = light.clamp(0.0, 1.0)
    curved = 1.055 * torch.exp(light.clamp_min(1e-6).log() / 2.4) - 0.055
    return torch.where(light <= 0.0031308, light * 12.92, curved)
