"""Files that a command is about to write: never the user's own picture, always in a folder that exists."""

from collections.abc import Sequence
from pathlib import Path

from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["make_room"]


def make_room(option: str, paths: Sequence[Path], *, picture: Path | None) -> None:
    """Make the folders of some files.

    Args:
        option: what the user chose the files with, for the error message.
        paths: files to write; files that are there will be overwritten.
        picture: the file that the user gave and wants to keep.

    Raises:
        ConfigError: one of the files is the user's picture, under whatever name.
    """
    for path in paths:
        if picture is not None and path.exists() and path.samefile(picture):
            raise ConfigError(option, "another file than the picture itself", repr(str(path)))
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
