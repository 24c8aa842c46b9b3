"""The published pristine patches, an HDF5 file with one dataset, read without following it anywhere else."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pyiqa_pixelperfect.errors import MissingDependencyError, WeightsError
from pyiqa_pixelperfect.grepq.patches import PATCH

__all__ = ["read_patches"]

_DATASET = "data"
_MOST = 100_000  # patches; the published file is far smaller


def read_patches(path: Path) -> Tensor:
    """Read pristine patches.

    Args:
        path: HDF5 file with a dataset ``data``, (N, 3, 96, 96) float32 in [0, 1].

    Returns:
        (N, 3, 96, 96).

    Raises:
        MissingDependencyError: h5py is not installed.
        WeightsError: no such file, damaged, or of another layout; or its data lie in other files.
    """
    try:
        import h5py
    except ImportError as error:
        fix = "Install it: pip install 'pyiqa-pixelperfect[convert]'."
        raise MissingDependencyError("h5py", "h5py, to read the pristine patches", "no such package", fix) from error
    expected = f"an HDF5 file with a dataset 'data' of shape (N, 3, {PATCH}, {PATCH}), float32 in [0, 1]"
    if not path.is_file():
        raise WeightsError("patches", expected, f"{str(path)!r}, which is no file")
    try:
        with h5py.File(path, "r") as file:
            link = file.get(_DATASET, getlink=True)
            if not isinstance(link, h5py.HardLink):  # soft and external links could name any file of this machine
                raise WeightsError("patches", expected, f"no dataset of its own in {str(path)!r}")
            data = file[_DATASET]
            if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
                raise WeightsError("patches", expected, f"data outside of {str(path)!r}")
            if data.dtype != np.float32 or data.shape[1:] != (3, PATCH, PATCH) or not 2 <= data.shape[0] <= _MOST:
                raise WeightsError("patches", expected, f"{data.dtype} {data.shape} in {str(path)!r}")
            patches = torch.from_numpy(data[:])
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError("patches", expected, f"{str(path)!r} ({error})") from error
    if not bool(((patches >= 0) & (patches <= 1)).all()):
        raise WeightsError("patches", expected, f"values outside [0, 1] in {str(path)!r}")
    return patches
