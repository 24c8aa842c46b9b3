"""What counts as an image: the one checker, and the door for paths, PIL images and tensors.

Everything inside the package works on float32 RGB tensors of shape ``(B, 3, H, W)`` with values in ``[0, 1]``. What
passes this door needs no second look; what does not is refused with an error that names the argument, what was
expected, what came and what to do.
"""

import math
import os
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pyiqa_pixelperfect.decoding import UnusablePictureError, picture_to_pixels, read_image, read_pixels
from pyiqa_pixelperfect.errors import ImageError, ImageReadError
from pyiqa_pixelperfect.pictures import Picture

__all__ = ["MINIMUM_SIZE", "ImageInput", "as_image", "as_picture", "check_image", "check_pair", "match_pictures",
           "read_image"]  # fmt: skip

ImageInput: TypeAlias = Tensor | Image.Image | Picture | str | os.PathLike[str]

MINIMUM_SIZE = 32
"""Shortest accepted side in pixels: below it the deepest feature level of the networks has nothing left to see."""

RANGE_TOLERANCE = 1e-5
"""How far outside [0, 1] counts as rounding (a resized 1.0 may come back as 1.0000001)."""


def as_image(value: ImageInput, argument: str) -> Tensor:
    """Turn anything that counts as a picture into a checked batch.

    Args:
        value: a path, a PIL image, or a float tensor ``(B, C, H, W)`` or ``(C, H, W)`` in ``[0, 1]`` with C 1 or 3.
        argument: what the user calls it (``"image"``, ``"reference"``), for the error messages.

    Returns:
        ``(B, 3, H, W)`` float32, RGB, ``[0, 1]``, on the tensor's device (the CPU for files and PIL images).

    Raises:
        ImageError: the value is not a picture of the accepted kind.
        ImageReadError: the file could not be read.

    >>> as_image(torch.zeros(3, 48, 64), "image").shape
    torch.Size([1, 3, 48, 64])
    """
    if isinstance(value, str | os.PathLike):
        return check_image(read_image(value), argument)
    return as_picture(value, argument).whole()


def as_picture(value: ImageInput, argument: str) -> Picture:
    """Turn anything that counts as a picture into a checked one whose 8-bit pixels stay as they are.

    Files may be twice as large as for ``as_image``; arguments and errors are the same otherwise.
    """
    if isinstance(value, Picture):
        return value
    if isinstance(value, str | os.PathLike):
        pixels = read_pixels(value)
    elif isinstance(value, Image.Image):
        try:
            pixels = picture_to_pixels(value)
        except UnusablePictureError as problem:
            raise ImageError(argument, problem.expected, problem.got, problem.fix) from None
        except Exception as error:  # a lazily opened file decodes only now, and may turn out to be damaged
            got = f"{type(error).__name__}: {error}"
            raise ImageReadError(
                argument, "a PIL image that decodes", got, "Check that its file is complete."
            ) from error
    else:
        return Picture(check_image(value, argument))
    _check_shape(pixels, argument, MINIMUM_SIZE)  # what was decoded is finite, in range and RGB
    return Picture(pixels)


def check_image(tensor: Tensor, argument: str, *, check_range: bool = True, minimum_size: int = MINIMUM_SIZE) -> Tensor:
    """Check one image tensor and bring it to the one shape and type that everything inside expects.

    The result is part of the caller's autograd graph. Values are looked at only in eager mode: inside
    ``torch.compile`` and ``torch.export`` the look would break the graph, and meta tensors have none.

    Args:
        tensor: floating point, ``(B, C, H, W)`` or ``(C, H, W)``, C 1 (gray) or 3 (RGB), ``[0, 1]``.
        argument: what the user calls it, for the error messages.
        check_range: refuse values outside ``[0, 1]``. Off for losses, where an image under optimization may
            overshoot; NaN and infinity are refused even then.
        minimum_size: shortest side accepted, in pixels.

    Returns:
        ``(B, 3, H, W)`` float32.

    Raises:
        ImageError: wrong type, layout, rank, channels, dtype, size or range, or values that are not finite.
    """
    if not isinstance(tensor, Tensor):
        raise _not_a_tensor(tensor, argument)
    _check_shape(tensor, argument, minimum_size)
    _check_dtype(tensor, argument)
    batch = (tensor.unsqueeze(0) if tensor.dim() == 3 else tensor).to(torch.float32)
    if not (torch.compiler.is_compiling() or tensor.is_meta):
        _check_values(batch, argument, check_range)
    return batch.expand(-1, 3, -1, -1) if batch.shape[1] == 1 else batch


def check_pair(image: Tensor, reference: Tensor, *, check_range: bool = True) -> tuple[Tensor, Tensor]:
    """Check an image and its reference, one by one and against each other.

    Args:
        image: the test image, as for `check_image`.
        reference: what it is compared with; same height, width and device. A batch of one on either side is
            compared with every picture of the other side.
        check_range: as for `check_image`.

    Returns:
        Both as ``(B, 3, H, W)`` float32 with the same B.

    Raises:
        ImageError: one of them is unusable, or they do not match in size, batch or device.
    """
    image = check_image(image, "image", check_range=check_range)
    reference = check_image(reference, "reference", check_range=check_range)
    return _matched(image, reference)


def match_pictures(image: Picture, reference: Picture) -> tuple[Picture, Picture]:
    """Check an image and its reference against each other, as ``check_pair`` does."""
    pair = _matched(image.pixels, reference.pixels)
    return Picture(pair[0]), Picture(pair[1])


def _matched(image: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    if image.device != reference.device:
        raise ImageError(
            "reference",
            f"a tensor on {image.device} like the image",
            str(reference.device),
            f"Use .to('{image.device}').",
        )
    if image.shape[-2:] != reference.shape[-2:]:
        raise ImageError(
            "reference",
            f"the image's size, {_size(image)} (height x width)",
            _size(reference),
            "Resize or crop one of them so that the same pixel shows the same thing.",
        )
    batches = {image.shape[0], reference.shape[0]}
    if len(batches) == 2 and 1 not in batches:
        raise ImageError(
            "reference",
            f"a batch of {image.shape[0]} like the image, or of 1",
            f"a batch of {reference.shape[0]}",
            "Pair every image with its reference.",
        )
    size = max(batches)
    return image.expand(size, -1, -1, -1), reference.expand(size, -1, -1, -1)


def _not_a_tensor(value: object, argument: str) -> ImageError:
    expected = "a float tensor (B, 3, H, W) in [0, 1], a PIL image or a path"
    if isinstance(value, np.ndarray):
        got = f"a numpy array of shape {value.shape} and dtype {value.dtype}"
        scale = "" if value.dtype.kind == "f" else ".float() / 255"
        turn = ".permute(2, 0, 1)" if value.ndim == 3 and value.shape[-1] in (1, 3, 4) else ""
        return ImageError(argument, expected, got, f"Use torch.from_numpy(array){turn}{scale}, channels in RGB order.")
    if isinstance(value, bytes | bytearray | memoryview):
        return ImageError(argument, expected, f"{len(value)} bytes", "Use PIL.Image.open(io.BytesIO(data)).")
    if value is None:
        return ImageError(argument, expected, "None", "Pass both pictures: metric(image, reference).")
    return ImageError(argument, expected, f"a {type(value).__name__}", "Use torch.stack for lists of tensors.")


def _check_shape(tensor: Tensor, argument: str, minimum_size: int) -> None:
    shape = tuple(tensor.shape)
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise ImageError(argument, "a dense tensor", f"layout {tensor.layout}", "Use .to_dense() or .dequantize().")
    if tensor.dim() not in (3, 4):
        fix = (
            "Add the missing dimensions: tensor[None, None]." if tensor.dim() == 2 else "Reshape it to four dimensions."
        )
        raise ImageError(argument, "a tensor of shape (B, C, H, W) or (C, H, W)", f"shape {shape}", fix)
    channels = shape[-3]
    if channels not in (1, 3):
        fix = "Convert it to RGB."
        if shape[-1] in (1, 3):
            fix = "Channels come first: use .permute" + ("(2, 0, 1)." if tensor.dim() == 3 else "(0, 3, 1, 2).")
        elif channels in (2, 4):
            fix = "Drop the alpha channel: tensor[..., :-1, :, :]."
        raise ImageError(argument, "1 or 3 channels, in shape (B, C, H, W)", f"{channels} channels, shape {shape}", fix)
    if shape[0] == 0:
        raise ImageError(argument, "at least one picture", f"shape {shape}", "Skip empty batches.")
    if min(shape[-2:]) < minimum_size:
        raise ImageError(
            argument,
            f"at least {minimum_size} x {minimum_size} pixels",
            f"{_size(tensor)} (height x width)",
            "Enlarge it, or use a larger crop.",
        )


def _check_dtype(tensor: Tensor, argument: str) -> None:
    if not tensor.is_floating_point():
        fix = (
            "Divide by 255: tensor.float() / 255." if tensor.dtype == torch.uint8 else "Scale it to [0, 1] as float32."
        )
        raise ImageError(argument, "floating point values in [0, 1]", f"dtype {tensor.dtype}", fix)


def _check_values(tensor: Tensor, argument: str, check_range: bool) -> None:
    # One pass and one transfer from the device: NaN and infinity survive into the extremes.
    low, high = torch.stack(torch.aminmax(tensor.detach())).tolist()
    if not (math.isfinite(low) and math.isfinite(high)):
        nan, infinite = int(tensor.isnan().sum()), int(tensor.isinf().sum())
        raise ImageError(
            argument,
            "finite values",
            f"{nan} NaN and {infinite} infinite of {tensor.numel()} values",
            "Find where they arise: torch.isfinite(tensor).",
        )
    if check_range and (low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE):
        fix = "Clamp it: tensor.clamp(0, 1)."
        if high > 1.5:
            fix = "Divide by 255."
        elif low < -0.5:
            fix = "Undo the normalization: tensor * std + mean, or (tensor + 1) / 2 for [-1, 1]."
        raise ImageError(argument, "values in [0, 1]", f"minimum {low:.4g} and maximum {high:.4g}", fix)


def _size(tensor: Tensor) -> str:
    return f"{tensor.shape[-2]} x {tensor.shape[-1]}"
