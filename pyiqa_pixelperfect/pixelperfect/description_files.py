"""Described sets on disk, batch by batch: a killed run goes on after the last of them.

Any number of processes makes the same files. Each batch has two, for what pictures say by themselves and for what the
maps found, so that other maps only have to describe their own part.
"""

import hashlib
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.pixelperfect.described import DescribedSets, Part
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.weights import write_atomically

__all__ = ["DescribedBatch", "settings_tag"]


def settings_tag(settings: str, maps: DistortionMapNet | None = None) -> str:
    """Tells descriptions from those of other sets, or by other maps; ``settings`` say what sets there are."""
    digest = hashlib.sha256(settings.encode())
    for name, tensor in maps.state_dict().items() if maps else ():
        if name.startswith("calibration."):
            continue  # descriptions are of what was found before it
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class DescribedBatch:
    """One batch of described sets; what is described already is read.

    Args:
        folder: where the files are.
        number: of the batch.
        pictures_tag: ``settings_tag`` without maps.
        maps_tag: ``settings_tag`` with maps.
    """

    def __init__(self, folder: Path, number: int, pictures_tag: str, maps_tag: str) -> None:
        self.number, self._tags = number, (pictures_tag, maps_tag)
        self._paths = [folder / f"{name}-{number:06d}.safetensors" for name in ("pictures", "maps")]
        self._parts = [_load(path, tag) for path, tag in zip(self._paths, self._tags, strict=True)]

    @property
    def missing(self) -> tuple[bool, bool]:
        """Whether the part of the pictures, and that of the maps, is still to be described."""
        return self._parts[0] is None, self._parts[1] is None

    def keep(self, pictures: Part | None, maps: Part | None) -> None:
        """Write parts that were missing, each whole or not at all."""
        for place, part in enumerate((pictures, maps)):
            if part is not None:
                kept = {name: tensor.cpu().contiguous() for name, tensor in part.items()}
                write_atomically(self._paths[place], save(kept, {"tag": self._tags[place]}))
                self._parts[place] = kept

    def sets(self) -> DescribedSets:
        """Both parts, read if another process has described them in the meantime.

        Raises:
            DataError: they are not there.
        """
        described: Part = {}
        for part, path, tag in zip(self._parts, self._paths, self._tags, strict=True):
            found = part or _load(path, tag)
            if found is None:
                fix = "All processes must write into one folder: share it between machines."
                raise DataError("described", f"sets that another process wrote to {path}", "none, or damaged ones", fix)
            described |= found
        return DescribedSets(**described)


def _load(path: Path, tag: str) -> Part | None:
    """Read a part; ``None`` if there is no such file, or a damaged one, or one of another tag."""
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("tag") != tag:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
