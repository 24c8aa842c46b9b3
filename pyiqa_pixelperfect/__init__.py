"""Compare two versions of a picture: which looks better, what differs, where, how strongly, in which direction.

The names below are loaded on first use, so ``import pyiqa_pixelperfect`` costs next to nothing and imports neither
torch nor pyiqa. The import does one thing: it makes the metrics known to pyiqa, for the cases in which the start-up
hook could not (``python -S``, ``pip install --target``, a wheel on ``sys.path``, pyiqa imported before the install).
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from pyiqa_pixelperfect.startup import boot as _boot

if TYPE_CHECKING:
    from pyiqa_pixelperfect.contrique.metric import Contrique, ContriqueFR
    from pyiqa_pixelperfect.errors import (
        ConfigError,
        DataError,
        ImageError,
        ImageReadError,
        MissingDependencyError,
        PixelPerfectError,
        TrainingDivergedError,
        WeightsError,
    )
    from pyiqa_pixelperfect.families import FAMILIES
    from pyiqa_pixelperfect.grepq.metric import GRepQ
    from pyiqa_pixelperfect.pixelperfect.comparison import Comparison
    from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
    from pyiqa_pixelperfect.pixelperfect.ranking import Ranking

__version__ = "0.1.0"

__all__ = [
    "FAMILIES",
    "Comparison",
    "ConfigError",
    "Contrique",
    "ContriqueFR",
    "DataError",
    "GRepQ",
    "ImageError",
    "ImageReadError",
    "MissingDependencyError",
    "PixelPerfect",
    "PixelPerfectError",
    "Ranking",
    "TrainingDivergedError",
    "WeightsError",
    "__version__",
]

_HOMES = {
    "FAMILIES": "pyiqa_pixelperfect.families",
    "Contrique": "pyiqa_pixelperfect.contrique.metric",
    "ContriqueFR": "pyiqa_pixelperfect.contrique.metric",
    "Comparison": "pyiqa_pixelperfect.pixelperfect.comparison",
    "GRepQ": "pyiqa_pixelperfect.grepq.metric",
    "PixelPerfect": "pyiqa_pixelperfect.pixelperfect.metric",
    "Ranking": "pyiqa_pixelperfect.pixelperfect.ranking",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562).

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "pyiqa_pixelperfect.errors")), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})


_boot.install()
if "pyiqa" in sys.modules:
    import_module("pyiqa_pixelperfect.startup.late").join_loaded_pyiqa()
