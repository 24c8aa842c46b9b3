"""Weights in and out: safetensors files whose header is the model card. No pickle, so no code, ever reaches a user."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pyiqa_pixelperfect.errors import WeightsError

__all__ = ["FORMAT", "bundled_weights", "file_sha256", "load_weights", "save_weights", "write_atomically"]

#: Version of the layout of the header; raise it when old readers would misread a file.
FORMAT = "1"


def bundled_weights(name: str) -> Path:
    """Path of the weights ``name`` (without suffix) that come with the package.

    Raises:
        WeightsError: the package holds no such file.
    """
    path = Path(str(resources.files("pyiqa_pixelperfect") / "checkpoints" / f"{name}.safetensors"))
    if not path.is_file():
        raise WeightsError("weights", f"bundled weights {name!r}", "no such file in the package", "Reinstall it.")
    return path


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file or nothing: temporary file beside it, flushed to disk, then renamed over it.

    Raises:
        OSError: the disk is full or not writable; what was there before is still there.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp makes files private; weights are to be shared
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Make a renaming outlast a power cut; Windows has no such thing."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _digest(state: Mapping[str, Tensor], card: Mapping[str, str]) -> str:
    """SHA-256 over the card and over name, type, shape and bytes of every tensor, in order of their names."""
    digest = hashlib.sha256(json.dumps(dict(card), sort_keys=True).encode())
    for name in sorted(state):
        tensor = state[name].contiguous()
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_weights(path: str | os.PathLike[str], state: Mapping[str, Tensor], card: Mapping[str, str]) -> None:
    """Write weights and their card.

    Args:
        path: file to write, replaced as a whole.
        state: tensors by name.
        card: the model card: strings by name; must name the ``class`` that the weights belong to. An entry ``sha256``
            over card and tensors is added, because safetensors itself does not notice changed bytes.

    Raises:
        WeightsError: the card does not name a class, or a tensor holds NaN or infinity.
    """
    if not card.get("class"):
        raise WeightsError("card", "an entry 'class' naming the network", f"entries {sorted(card)}")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise WeightsError("state", "finite weights", f"NaN or infinity in {name}", "They are not worth keeping.")
    entries = {**card, "format": FORMAT}
    entries.pop("sha256", None)
    write_atomically(path, _sorted(save(tensors, metadata={**entries, "sha256": _digest(tensors, entries)})))


def _sorted(content: bytes) -> bytes:
    """Sort the header: safetensors writes the card in an order of chance, but equal weights should be equal files."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of 8
    return len(header).to_bytes(8, "little") + header + content[start:]


def load_weights(path: str | os.PathLike[str], expected_class: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read weights and their card.

    Args:
        path: a file that ``save_weights`` wrote.
        expected_class: the class the file must be for.

    Returns:
        Tensors by name, on the CPU, and the card.

    Raises:
        WeightsError: the file is missing, damaged, of another format, or for another class.
    """
    if not Path(path).is_file():
        raise WeightsError("weights", "a safetensors file", f"{os.fspath(path)!r}, which is no file")
    try:
        with safe_open(path, framework="pt") as file:
            card = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        fix = "Fetch or train it again."
        raise WeightsError("weights", "an intact safetensors file", f"{os.fspath(path)!r} ({error})", fix) from error
    if card.get("format") != FORMAT:
        got = f"format {card.get('format')!r} in {os.fspath(path)!r}"
        raise WeightsError("weights", f"a file of format {FORMAT!r} written by this package", got)
    if card.pop("sha256", None) != _digest(state, card):
        got = f"{os.fspath(path)!r}, whose content does not fit its checksum"
        raise WeightsError("weights", "an intact safetensors file", got, "Fetch or train it again.")
    if card.get("class") != expected_class:
        raise WeightsError("weights", f"weights of {expected_class}", f"weights of {card.get('class')!r}")
    return state, card
