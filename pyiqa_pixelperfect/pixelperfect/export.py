"""The networks as one ONNX file, for runtimes without Python: two pictures in, score and maps out.

The file holds everything between pixels and answers, statistics of whole pictures included, for any height and width
from 32 px, one pair at a time. Its maps and its score are those of ``PixelPerfect`` up to rounding (1e-5).
"""

import math
import os
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.errors import ConfigError, MissingDependencyError
from pyiqa_pixelperfect.images import MINIMUM_SIZE
from pyiqa_pixelperfect.pixelperfect.dissimilarity import dissimilarity, view_of
from pyiqa_pixelperfect.pixelperfect.map_cells import cells_to_pixels, crop_cells
from pyiqa_pixelperfect.pixelperfect.map_network import split_pyramid
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.picture_statistics import picture_statistics
from pyiqa_pixelperfect.pixelperfect.score_network import describe_pairs

__all__ = ["export_onnx"]

_NEEDED = ("onnx", "onnxscript")
_INT64 = 7  # onnx.TensorProto.INT64


class _Pair(nn.Module):
    """From two pictures (1, 3, H, W) to score (1,) and maps (1, K, H, W), without checks and without tiles."""

    def __init__(self, metric: PixelPerfect) -> None:
        super().__init__()
        self.maps, self.score = metric.map_network, metric.score_network

    def forward(self, image: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat((image, reference))
        pyramid = self.maps.encode(both)
        logits = crop_cells(self.maps.fuse(*split_pyramid(pyramid)), image.shape)
        unlike = dissimilarity(view_of(image), view_of(reference))
        # Of both at once: exporters take long to trace statistics, since their sizes depend on that of the picture.
        first, second = picture_statistics(both).chunk(2)
        pairs = describe_pairs(logits, first, second, unlike)
        return self.score(pairs), cells_to_pixels(self.maps.maps_of(logits), image.shape)


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What the exporter cannot write by itself: arithmetic on sizes that are not known yet."""
    from onnxscript import opset18 as operators

    def square_root(number: Any) -> Any:
        return operators.Sqrt(number)

    def truncated(number: Any) -> Any:
        return operators.Cast(number, to=_INT64)

    return {torch.sym_sqrt: square_root, math.trunc: truncated}


def export_onnx(metric: PixelPerfect, path: str | os.PathLike[str]) -> Path:
    """Write the networks of a metric as ONNX.

    Inputs are ``image`` and ``reference``, float32 (1, 3, H, W), RGB in [0, 1], of one size; outputs ``score`` (1,) and
    ``maps`` (1, K, H, W).

    Args:
        metric: from ``PixelPerfect.load``.
        path: file to write, ending in ``.onnx``.

    Raises:
        ConfigError: the path does not end in ``.onnx``.
        MissingDependencyError: onnx or onnxscript is not there.
    """
    target = Path(path)
    if target.suffix.lower() != ".onnx":
        raise ConfigError("path", "a file name ending in .onnx", repr(target.name))
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        fix = "Install them: pip install 'pyiqa-pixelperfect[onnx]'."
        raise MissingDependencyError("export", "onnx and onnxscript", f"no {' and no '.join(missing)}", fix)
    target.parent.mkdir(parents=True, exist_ok=True)
    height, width = torch.export.Dim("height", min=MINIMUM_SIZE), torch.export.Dim("width", min=MINIMUM_SIZE)
    sizes = {2: height, 3: width}
    example = torch.rand(2, 1, 3, 150, 201, generator=torch.Generator().manual_seed(0)).unbind(0)
    network = _Pair(metric).cpu().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of exporters about themselves
        program = torch.onnx.export(
            network,
            tuple(example),
            input_names=["image", "reference"],
            output_names=["score", "maps"],
            dynamic_shapes={"image": sizes, "reference": sizes},
            custom_translation_table=_translations(),
            dynamo=True,
            verbose=False,
        )
        if program is None:  # never with these arguments, but the exporter's signature says so
            raise RuntimeError("the exporter returned no program")
        program.save(str(target), include_initializers=True, external_data=False)
    return target
