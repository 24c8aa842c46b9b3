"""Pictures distorted by the KADIS catalog: what each gets, drawn on the CPU, and the batch that gets it."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyiqa_pixelperfect.distortions.counter import planned_seeds, planned_uniform
from pyiqa_pixelperfect.distortions.kadis import KADIS, KADIS_LEVELS, KadisEntry
from pyiqa_pixelperfect.distortions.kadis_lanes import run_in_lanes
from pyiqa_pixelperfect.errors import ConfigError, ImageError

__all__ = ["KADIS_CLASSES", "KadisPlan", "apply_kadis", "distort_kadis", "draw_kadis", "kadis_class"]

KADIS_CLASSES = 126  # 25 types x 5 levels, and class 0 for pristine pictures
SMALLEST = 32  # px of the shorter side
_STREAM = 200  # of planned numbers; below are those of ``plan.py``
_ROWS = tuple(KADIS.values())
# Px that are distorted at once on the CPU. The more the faster, as long as they fit into the cache; but lanes that have
# few shares to choose from are not done at the same time.
_SHARE = (2**17, 2**18)
_SHARES_OF_A_LANE = 4


@dataclass(frozen=True)
class KadisPlan:
    """What each of B pictures gets, on the CPU.

    Attributes:
        types: (B,) int64, 1 to 25; 0 = pristine.
        levels: (B,) int64, 1 to 5; 0 = pristine.
        seeds: (B,) int64.
    """

    types: Tensor
    levels: Tensor
    seeds: Tensor

    @property
    def classes(self) -> Tensor:
        """Class of each picture, see ``kadis_class``."""
        return kadis_class(self.types, self.levels)


def draw_kadis(indices: NDArray[np.int64] | list[int], seed: int = 0, epoch: int = 0) -> KadisPlan:
    """Draw type and level of some samples, all 125 and pristine alike, from ``(seed, epoch, index)`` alone.

    Args:
        indices: (B,) sample numbers; what a sample gets does not depend on its neighbors.
        seed: seed of the run.
        epoch: epoch, so that a sample differs from one to the next.
    """
    rows = np.asarray(indices, np.int64)
    drawn = (planned_uniform(seed, epoch, rows, _STREAM, 1)[:, 0] * KADIS_CLASSES).astype(np.int64)
    types, levels = np.divmod(drawn - 1, KADIS_LEVELS)
    pristine = drawn == 0
    return KadisPlan(
        types=torch.from_numpy(np.where(pristine, 0, types + 1)),
        levels=torch.from_numpy(np.where(pristine, 0, levels + 1)),
        seeds=torch.from_numpy(planned_seeds(seed, epoch, rows, _STREAM + 1, 1)[:, 0].copy()),
    )


def kadis_class(types: Tensor, levels: Tensor) -> Tensor:
    """Class of each type and level, (B,) int64 from 0 to 125: 0 for pristine, else 5 (type - 1) + level.

    Levels that leave the picture as it is are pristine: another class would ask for a difference where there is none.

    Raises:
        ConfigError: as of ``distort_kadis``.
    """
    _check_plan(types, levels)
    table = torch.zeros(26, KADIS_LEVELS + 1, dtype=torch.int64)
    for entry in KADIS.values():
        for level in set(range(1, KADIS_LEVELS + 1)) - entry.identity_levels:
            table[entry.number, level] = KADIS_LEVELS * (entry.number - 1) + level
    return table[types, levels]


@torch.no_grad()
def apply_kadis(images: Tensor, name_or_number: str | int, level: int, seeds: Tensor) -> Tensor:
    """Apply one type at one level.

    Args:
        images: (B, 3, H, W) float32 in [0, 1], sides of at least 32 px; not changed.
        name_or_number: one of ``KADIS``, or 1 to 25.
        level: 1 to 5.
        seeds: (B,) int64 on the device of ``images``: the seed of what is random, per image.

    Returns:
        (B, 3, H, W) in [0, 1]; each picture is the same to the bit whatever its neighbors in the batch.

    Raises:
        ConfigError: no such type or level, or seeds of another shape, dtype or device.
        ImageError: images of another shape or dtype, or too small.
    """
    entry = _entry(name_or_number)
    if isinstance(level, bool) or level not in range(1, KADIS_LEVELS + 1):
        raise ConfigError("level", f"a whole number from 1 to {KADIS_LEVELS}", repr(level))
    _check_images(images)
    if seeds.shape != images.shape[:1] or seeds.dtype != torch.int64 or seeds.device != images.device:
        expected = f"one int64 number for each of {len(images)} images, on {images.device}"
        raise ConfigError("seeds", expected, f"{seeds.dtype} {tuple(seeds.shape)} on {seeds.device}")
    done = torch.empty(images.shape, dtype=images.dtype, device=images.device)
    _distort(images, torch.full((len(images),), entry.number), torch.full((len(images),), level), seeds, done)
    return done


@torch.no_grad()
def distort_kadis(images: Tensor, types: Tensor, levels: Tensor, seeds: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Give each picture a type and level of its own; pictures of equal type and level go together.

    Args:
        images: (B, 3, H, W) float32 in [0, 1], sides of at least 32 px; not changed, unless they are ``out``.
        types: (B,) int64 on the CPU, 0 (pristine) or 1 to 25.
        levels: (B,) int64 on the CPU, 0 (pristine) or 1 to 5.
        seeds: (B,) int64, on the CPU or the device of ``images``.
        out: where to write, like ``images`` or the very same; a large batch that is new costs as much as some types.

    Returns:
        (B, 3, H, W) in [0, 1].

    Raises:
        ConfigError: types, levels or seeds of another shape, dtype, device or range.
        ImageError: images of another shape or dtype, or too small.
    """
    _check_images(images)
    _check_plan(types, levels)
    if len(types) != len(images) or seeds.shape != types.shape:
        got = f"{len(types)} types, {tuple(seeds.shape)} seeds"
        raise ConfigError("types, levels, seeds", f"one for each of {len(images)} images", got)
    if out is not None and (out.shape, out.dtype, out.device) != (images.shape, images.dtype, images.device):
        expected = f"{images.dtype} {tuple(images.shape)} on {images.device}, as the images"
        raise ConfigError("out", expected, f"{out.dtype} {tuple(out.shape)} on {out.device}")
    done = torch.empty_like(images) if out is None else out
    _distort(images, types, levels, seeds.to(images.device), done)
    return done


def _distort(images: Tensor, types: Tensor, levels: Tensor, seeds: Tensor, done: Tensor) -> None:
    """Write each picture, distorted by its type at its level, to its place in ``done``, which may be ``images``."""
    tasks = []
    # The plan lies on the CPU, so grouping never waits for the device.
    groups = types * (KADIS_LEVELS + 1) + levels
    for group in sorted(groups.unique().tolist(), key=_slow_first):
        number, level = divmod(group, KADIS_LEVELS + 1)
        rows = (groups == group).nonzero()[:, 0].to(images.device)
        if number > 0 and level not in _ROWS[number - 1].identity_levels:
            shares = _shares(images, rows, alone=_ROWS[number - 1].cpu_only)
            tasks += [partial(_distort_rows, images, few, number, level, seeds, done) for few in shares]
        elif done is not images:
            done.index_copy_(0, rows, images.index_select(0, rows))
    if images.device.type == "cpu":
        run_in_lanes(tasks)
    else:
        for task in tasks:
            task()


def _slow_first(group: int) -> tuple[bool, int]:
    """Sort key of a group: one slow task that starts last would keep its lane busy when the others are done."""
    number = group // (KADIS_LEVELS + 1)
    return number == 0 or not _ROWS[number - 1].cpu_only, group


def _shares(images: Tensor, rows: Tensor, *, alone: bool) -> tuple[Tensor, ...]:
    """Cut rows into shares of so few pixels that what is made of them stays in the cache, or of one, on the CPU."""
    if images.device.type != "cpu":
        return (rows,)
    pixels = images.shape[2] * images.shape[3]
    least, most = _SHARE
    wanted = len(images) * pixels // (_SHARES_OF_A_LANE * torch.get_num_threads())
    shares: tuple[Tensor, ...] = rows.split(1 if alone else max(1, min(max(wanted, least), most) // pixels))
    return shares


def _distort_rows(images: Tensor, rows: Tensor, number: int, level: int, seeds: Tensor, done: Tensor) -> None:
    entry = _ROWS[number - 1]
    parameter = float(entry.levels[level - 1])
    if done.device.type == "cpu":  # picture by picture, which takes a third of the time there
        places = rows.tolist()
        chosen = torch.stack([images[place] for place in places])
        for place, picture in zip(places, entry.operation(chosen, parameter, seeds[rows]), strict=True):
            done[place] = picture
    else:
        done.index_copy_(0, rows, entry.operation(images.index_select(0, rows), parameter, seeds[rows]))


def _entry(name_or_number: str | int) -> KadisEntry:
    if isinstance(name_or_number, str) and name_or_number in KADIS:
        return KADIS[name_or_number]
    if isinstance(name_or_number, int) and not isinstance(name_or_number, bool) and 1 <= name_or_number <= len(_ROWS):
        return _ROWS[name_or_number - 1]
    raise ConfigError("type", f"1 to {len(_ROWS)} or one of {', '.join(KADIS)}", repr(name_or_number))


def _check_images(images: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] != 3 or images.dtype != torch.float32:
        raise ImageError("images", "a float32 tensor (B, 3, H, W)", f"{images.dtype} {tuple(images.shape)}")
    if min(images.shape[-2:]) < SMALLEST:
        raise ImageError("images", f"sides of at least {SMALLEST} px", f"{tuple(images.shape[-2:])}")


def _check_plan(types: Tensor, levels: Tensor) -> None:
    for name, values, most in (("types", types, len(_ROWS)), ("levels", levels, KADIS_LEVELS)):
        if values.dim() != 1 or values.dtype != torch.int64 or values.device.type != "cpu":
            got = f"{values.dtype} {tuple(values.shape)} on {values.device}"
            raise ConfigError(name, "an int64 tensor (B,) on the CPU", got)
        if len(values) and not 0 <= int(values.min()) <= int(values.max()) <= most:
            raise ConfigError(name, f"numbers from 0 to {most}", f"{int(values.min())} to {int(values.max())}")
    if types.shape != levels.shape or bool(((types == 0) != (levels == 0)).any()):
        raise ConfigError("levels", "one for each type, 0 where the type is 0 and only there", f"{levels.tolist()}")
