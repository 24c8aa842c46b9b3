"""Decoded pictures that may be large: pixels are kept as they came and become floating point part by part.

A file of 100 megapixels has 300 MB of 8-bit pixels and would take 1.2 GB in the ``float32`` that networks work on. What
goes over a picture piece by piece asks for one part at a time and never holds the whole of it as floats.
"""

import contextlib
import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Picture", "return_memory"]

STRIP_PIXELS = 2**21  # of a strip of each picture, about: 24 MiB as floats
STRIP_ROWS = 32  # heights of strips are multiples of this, so that pooling never crosses a border


@dataclass(frozen=True, eq=False)
class Picture:
    """A batch of checked pictures of one size.

    Attributes:
        pixels: ``(B, 3, H, W)`` RGB; ``uint8`` in 0..255, or ``float32`` in ``[0, 1]``.
    """

    pixels: Tensor

    @property
    def height(self) -> int:
        """Rows."""
        return self.pixels.shape[-2]

    @property
    def width(self) -> int:
        """Columns."""
        return self.pixels.shape[-1]

    @property
    def shape(self) -> torch.Size:
        """``(B, 3, H, W)``."""
        return self.pixels.shape

    def __len__(self) -> int:
        return len(self.pixels)

    def distinct(self) -> "Picture":
        """A batch of one if all pictures of the batch are one and the same memory, else the batch itself."""
        return Picture(self.pixels[:1]) if len(self) > 1 and self.pixels.stride(0) == 0 else self

    def to(self, device: torch.device) -> "Picture":
        """The same on a device."""
        return Picture(self.pixels.to(device))

    def part(self, rows: slice, columns: slice) -> Tensor:
        """A part of all pictures, ``(B, 3, h, w)`` float32 in ``[0, 1]``."""
        return _floats(self.pixels[..., rows, columns])

    def whole(self) -> Tensor:
        """All of it, ``(B, 3, H, W)`` float32 in ``[0, 1]``: 12 bytes a pixel."""
        return _floats(self.pixels)

    def strips(self) -> Iterator[Tensor]:
        """All of it from the top down, in strips of whole rows, ``(B, 3, h, W)`` float32 in ``[0, 1]``.

        Heights are multiples of 32 but for the last strip, which has at least 32 rows if the picture has. They do not
        depend on the number of pictures.
        """
        if torch.compiler.is_compiling():  # compilers and exporters know no sizes, so they cannot count strips
            yield self.whole()
            return
        rows = max(STRIP_ROWS, STRIP_PIXELS // self.width // STRIP_ROWS * STRIP_ROWS)
        top = 0
        while top < self.height:
            end = self.height if self.height - top < rows + STRIP_ROWS else top + rows
            yield self.part(slice(top, end), slice(None))
            top = end

    def smaller(self, longest_side: int) -> Tensor:
        """All of it, averaged over square blocks until the longer side is at most so long; for looking at."""
        return self.pooled(-(-max(self.height, self.width) // longest_side))

    def pooled(self, factor: int) -> Tensor:
        """All of it, averaged over squares of ``factor`` pixels; those at the right and at the bottom may be cut."""
        if factor <= 1:
            return self.whole()
        rows = max(1, STRIP_PIXELS // (self.width * factor))
        # Made at once: small pieces kept from every part would lie scattered between what the parts left free.
        size = *self.shape[:2], -(-self.height // factor), -(-self.width // factor)
        dtype = self.pixels.dtype if self.pixels.is_floating_point() else torch.float32
        whole = torch.empty(size, dtype=dtype, device=self.pixels.device)
        for top in range(0, whole.shape[2], rows):
            part = self.part(slice(top * factor, (top + rows) * factor), slice(None))
            whole[:, :, top : top + rows] = F.avg_pool2d(part, factor, ceil_mode=True)
        return whole


def _floats(pixels: Tensor) -> Tensor:
    return pixels if pixels.is_floating_point() else pixels.to(torch.float32).div_(255.0)


def return_memory() -> None:
    """Give what was freed back to the system: glibc would keep hundreds of MB of what pictures were decoded into."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # no glibc here
        ctypes.CDLL(None).malloc_trim(0)
