"""Heads of CONTRIQUE: ridge regression on the features of whole rated pictures."""

import logging
from pathlib import Path

from pyiqa_pixelperfect.contrique.config import ContriqueRegression
from pyiqa_pixelperfect.contrique.weights_file import BUNDLED, read_contrique, write_contrique
from pyiqa_pixelperfect.training.distributed import join_processes
from pyiqa_pixelperfect.training.regression import fit_head
from pyiqa_pixelperfect.weights import bundled_weights, file_sha256

__all__ = ["regress"]

_log = logging.getLogger(__name__)
#: Entries of the card of a file with a head that a new head replaces.
_OF_HEAD = ("labels", "class", "format", "network")


def regress(config: ContriqueRegression) -> Path:
    """Fit a head and write ``head.safetensors``, and ``contrique.safetensors`` with the encoder, to ``output``.

    Returns:
        Path of the file with both, which is what the metric loads.

    Raises:
        WeightsError: the encoder is missing or damaged.
        DataError: the ratings are missing or unusable.
        MissingDependencyError: scikit-learn is not installed.
    """
    encoder, _, card = read_contrique(config.encoder, need_head=False)
    encoder.read_out(
        encoder.levels if config.levels is None else config.levels,
        encoder.deviation if config.deviation is None else config.deviation,
    )
    device = join_processes(config.device).device
    head = fit_head(encoder.to(device).describe, config.head, device)
    source = config.encoder or bundled_weights(BUNDLED)
    about = {"encoder_sha256": file_sha256(source), "head_input": "features", **head.card}
    head.save(config.output / "head.safetensors", about)
    path = config.output / "contrique.safetensors"
    kept = {name: value for name, value in card.items() if name not in _OF_HEAD}
    write_contrique(path, encoder, head, {**kept, **about})
    _log.info("wrote %s", path)
    return path
