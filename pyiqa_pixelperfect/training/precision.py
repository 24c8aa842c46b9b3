"""Mixed precision where it helps."""

from contextlib import AbstractContextManager, nullcontext

import torch

__all__ = ["autocast"]


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """bfloat16 autocast, or nothing.

    Args:
        device: where the computation runs.
        precision: ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the hardware computes in it. CPUs without
            such instructions emulate them, many times slower than float32.
    """
    if precision == "auto":
        precision = "bfloat16" if _computes_in_bfloat16(device) else "float32"
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def _computes_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch tells of these instructions under private names only, and not in every version.
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe() for probe in probes if probe is not None)
