"""What is to be ranked: versions of one picture, and perhaps that picture itself, as pictures of one size."""

import os
from collections.abc import Sequence

from PIL import Image

from pyiqa_pixelperfect.errors import ImageError
from pyiqa_pixelperfect.images import ImageInput, as_picture
from pyiqa_pixelperfect.pictures import Picture

__all__ = ["as_candidates"]


def as_candidates(candidates: Sequence[ImageInput], reference: ImageInput | None) -> list[Picture]:
    """Read and check what is to be ranked.

    Args:
        candidates: at least one picture, each of the size of the reference, or of the first one if there is none.
        reference: one picture, or ``None``.

    Returns:
        The candidates, then the reference, if there is one.

    Raises:
        ImageError: not a sequence, an empty one, a batch among them, sizes that differ, or no pictures.
        ImageReadError: a path that is no readable picture.
    """
    if isinstance(candidates, str | os.PathLike | Image.Image):
        got = f"a single {type(candidates).__name__}"
        raise ImageError("candidates", "a sequence of pictures", got, "Put it into a list.")
    if not len(candidates):
        raise ImageError("candidates", "at least one picture", "none")
    pictures = [as_picture(candidate, f"candidates[{i}]") for i, candidate in enumerate(candidates)]
    like, name = pictures[0], "candidates[0]"
    if reference is not None:
        like, name = as_picture(reference, "reference"), "the reference"
        if len(like) != 1:
            raise ImageError("reference", "one picture", f"a batch of {len(like)}", "Rank them one by one.")
    size = 1, *like.shape[1:]
    for index, picture in enumerate(pictures):
        if picture.shape != size:
            raise ImageError(
                f"candidates[{index}]", f"one picture of the size of {name}, {size}", f"{tuple(picture.shape)}"
            )
    return pictures if reference is None else [*pictures, like]
