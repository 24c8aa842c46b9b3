"""``pixelperfect export``: the networks as a file for other runtimes."""

import sys
from pathlib import Path

from pyiqa_pixelperfect.commands.terminal import load_network, working
from pyiqa_pixelperfect.pixelperfect.export import export_onnx

__all__ = ["export"]


def export(file: Path, weights: Path | None) -> None:
    """Write an ONNX file.

    Args:
        file: ends in ``.onnx``.
        weights: safetensors file; None for the bundled weights.

    Raises:
        PixelPerfectError: the weights are wrong, the name of the file, or the libraries that write it are missing.
    """
    with working("Exporting"):
        written = export_onnx(load_network(weights, "cpu"), file)
    sys.stderr.write(f"wrote {written}\n")
