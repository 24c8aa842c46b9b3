"""``python -m pyiqa_pixelperfect``: the command line, for ``torchrun -m`` and for environments without scripts."""

from pyiqa_pixelperfect.cli import main

if __name__ == "__main__":
    main()
