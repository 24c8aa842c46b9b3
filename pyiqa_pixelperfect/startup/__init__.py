"""How pyiqa learns of our metrics without anybody importing this package.

pyiqa checks a metric's name against a plain dictionary before it looks at any plugin, so an entry point alone comes
too late. The wheel therefore puts three small files at the root of site-packages: ``pyiqa_pixelperfect.pth`` and, for
Python 3.15 and later, ``pyiqa_pixelperfect.start``, which both call ``pyiqa_pixelperfect_boot.install()``, and that
module. Its source is ``boot.py`` here; an installed package has it at the root only, and ``boot`` means that one.
Everything in this package uses the standard library only.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiqa_pixelperfect.startup import boot
else:
    try:
        import pyiqa_pixelperfect_boot as boot
    except ModuleNotFoundError:  # a checkout on the path that is not installed
        from pyiqa_pixelperfect.startup import boot

__all__ = ["boot"]
